package resources

// All makes the table: a fresh copy, for the caller to keep.
func All() []*Resource {
	return []*Resource{
		// core/v1
		namespaces(),
		nodes(),
		pods(),
		bindings(),
		services(),
		endpoints(),
		configMaps(),
		secrets(),
		serviceAccounts(),
		events(),
		replicationControllers(),
		podTemplates(),
		persistentVolumes(),
		persistentVolumeClaims(),
		limitRanges(),
		resourceQuotas(),
		componentStatuses(),
		// apps/v1
		replicaSets(),
		deployments(),
		statefulSets(),
		daemonSets(),
		controllerRevisions(),
		// batch/v1
		jobs(),
		cronJobs(),
		// autoscaling/v2 and v1, policy/v1
		horizontalPodAutoscalers(),
		podDisruptionBudgets(),
		// discovery.k8s.io/v1, coordination.k8s.io/v1, scheduling.k8s.io/v1
		endpointSlices(),
		leases(),
		priorityClasses(),
		// storage.k8s.io/v1, node.k8s.io/v1, certificates.k8s.io/v1
		storageClasses(),
		volumeAttributesClasses(),
		volumeAttachments(),
		csiDrivers(),
		csiNodes(),
		csiStorageCapacities(),
		runtimeClasses(),
		certificateSigningRequests(),
		// authentication.k8s.io/v1, authorization.k8s.io/v1
		selfSubjectReviews(),
		tokenReviews(),
		localSubjectAccessReviews(),
		selfSubjectAccessReviews(),
		selfSubjectRulesReviews(),
		subjectAccessReviews(),
		// rbac.authorization.k8s.io/v1
		roles(),
		roleBindings(),
		clusterRoles(),
		clusterRoleBindings(),
		// networking.k8s.io/v1
		ingresses(),
		ingressClasses(),
		networkPolicies(),
		ipAddresses(),
		serviceCIDRs(),
		// minik.dev/v1
		controls(),
		revisions(),
	}
}
