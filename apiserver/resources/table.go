package resources

import policyv1 "k8s.io/api/policy/v1"

// PolicyEviction is the kind of the body of pods/eviction. It has no row, because it is never stored.
var PolicyEviction = policyv1.SchemeGroupVersion.WithKind("Eviction")

// All makes the table: a fresh copy, for the caller to keep.
func All() []*Resource {
	return []*Resource{
		// core/v1
		namespaces(),
		nodes(),
		pods(),
		services(),
		endpoints(),
		configMaps(),
		secrets(),
		serviceAccounts(),
		events(),
		replicationControllers(),
		// apps/v1
		replicaSets(),
		deployments(),
		// discovery.k8s.io/v1, coordination.k8s.io/v1, scheduling.k8s.io/v1
		endpointSlices(),
		leases(),
		priorityClasses(),
		// authentication.k8s.io/v1, authorization.k8s.io/v1
		selfSubjectReviews(),
		tokenReviews(),
		localSubjectAccessReviews(),
		selfSubjectAccessReviews(),
		selfSubjectRulesReviews(),
		subjectAccessReviews(),
		// minik.dev/v1
		controls(),
		revisions(),
	}
}

// readWrite are the verbs of a subresource that is shown and written, such as status.
var readWrite = []string{"get", "patch", "update"}

// withoutDeleteCollection are the verbs of kinds whose objects are too dear to be deleted together.
var withoutDeleteCollection = []string{"create", "delete", "get", "list", "patch", "update", "watch"}
