package fidelity

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/kubernetes/pkg/registry/apps/controllerrevision"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/replicaset"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/certificates/certificates"
	"k8s.io/kubernetes/pkg/registry/certificates/clustertrustbundle"
	"k8s.io/kubernetes/pkg/registry/certificates/podcertificaterequest"
	"k8s.io/kubernetes/pkg/registry/coordination/lease"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/endpoint"
	"k8s.io/kubernetes/pkg/registry/core/event"
	"k8s.io/kubernetes/pkg/registry/core/limitrange"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/node"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolume"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/podtemplate"
	"k8s.io/kubernetes/pkg/registry/core/replicationcontroller"
	"k8s.io/kubernetes/pkg/registry/core/resourcequota"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/discovery/endpointslice"
	"k8s.io/kubernetes/pkg/registry/flowcontrol/flowschema"
	"k8s.io/kubernetes/pkg/registry/flowcontrol/prioritylevelconfiguration"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/ingressclass"
	"k8s.io/kubernetes/pkg/registry/networking/ipaddress"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/networking/servicecidr"
	"k8s.io/kubernetes/pkg/registry/node/runtimeclass"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrole"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrolebinding"
	"k8s.io/kubernetes/pkg/registry/rbac/role"
	"k8s.io/kubernetes/pkg/registry/rbac/rolebinding"
	"k8s.io/kubernetes/pkg/registry/resource/deviceclass"
	"k8s.io/kubernetes/pkg/registry/resource/devicetaintrule"
	"k8s.io/kubernetes/pkg/registry/resource/resourceclaim"
	"k8s.io/kubernetes/pkg/registry/resource/resourceclaimtemplate"
	"k8s.io/kubernetes/pkg/registry/resource/resourceslice"
	"k8s.io/kubernetes/pkg/registry/scheduling/priorityclass"
	"k8s.io/kubernetes/pkg/registry/storage/csidriver"
	"k8s.io/kubernetes/pkg/registry/storage/csinode"
	"k8s.io/kubernetes/pkg/registry/storage/csistoragecapacity"
	"k8s.io/kubernetes/pkg/registry/storage/storageclass"
	"k8s.io/kubernetes/pkg/registry/storage/volumeattachment"
	"k8s.io/kubernetes/pkg/registry/storage/volumeattributesclass"
	"k8s.io/kubernetes/pkg/registry/storagemigration/storagemigration"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
)

// strategy is how upstream's storage asks a kind what becomes of its objects.
type strategy interface {
	rest.RESTCreateStrategy
	rest.RESTUpdateStrategy
}

// strategies are upstream's, of each kind that can be written. Kinds that are only questions (reviews, bindings) and those that are
// only shown (ComponentStatus) have none, and minik's own have none there.
var strategies = map[schema.GroupKind]strategy{
	{Group: "", Kind: "ConfigMap"}:                                              configmap.Strategy,
	{Group: "", Kind: "Endpoints"}:                                              endpoint.Strategy,
	{Group: "", Kind: "Event"}:                                                  event.Strategy,
	{Group: "", Kind: "LimitRange"}:                                             limitrange.Strategy,
	{Group: "", Kind: "Namespace"}:                                              namespace.Strategy,
	{Group: "", Kind: "Node"}:                                                   node.Strategy,
	{Group: "", Kind: "PersistentVolume"}:                                       persistentvolume.Strategy,
	{Group: "", Kind: "PersistentVolumeClaim"}:                                  persistentvolumeclaim.Strategy,
	{Group: "", Kind: "Pod"}:                                                    pod.Strategy,
	{Group: "", Kind: "PodTemplate"}:                                            podtemplate.Strategy,
	{Group: "", Kind: "ReplicationController"}:                                  replicationcontroller.Strategy,
	{Group: "", Kind: "ResourceQuota"}:                                          resourcequota.Strategy,
	{Group: "", Kind: "Secret"}:                                                 secret.Strategy,
	{Group: "", Kind: "Service"}:                                                service.Strategy,
	{Group: "", Kind: "ServiceAccount"}:                                         serviceaccount.Strategy,
	{Group: "apps", Kind: "ControllerRevision"}:                                 controllerrevision.Strategy,
	{Group: "apps", Kind: "DaemonSet"}:                                          daemonset.Strategy,
	{Group: "apps", Kind: "Deployment"}:                                         deployment.Strategy,
	{Group: "apps", Kind: "ReplicaSet"}:                                         replicaset.Strategy,
	{Group: "apps", Kind: "StatefulSet"}:                                        statefulset.Strategy,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:                     horizontalpodautoscaler.Strategy,
	{Group: "batch", Kind: "CronJob"}:                                           cronjob.Strategy,
	{Group: "batch", Kind: "Job"}:                                               job.Strategy,
	{Group: "certificates.k8s.io", Kind: "CertificateSigningRequest"}:           certificates.Strategy,
	{Group: "certificates.k8s.io", Kind: "ClusterTrustBundle"}:                  clustertrustbundle.Strategy,
	{Group: "certificates.k8s.io", Kind: "PodCertificateRequest"}:               podcertificaterequest.NewStrategy(),
	{Group: "coordination.k8s.io", Kind: "Lease"}:                               lease.Strategy,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}:                          endpointslice.Strategy,
	{Group: "events.k8s.io", Kind: "Event"}:                                     event.Strategy,
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "FlowSchema"}:                 flowschema.Strategy,
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "PriorityLevelConfiguration"}: prioritylevelconfiguration.Strategy,
	{Group: "networking.k8s.io", Kind: "IPAddress"}:                             ipaddress.Strategy,
	{Group: "networking.k8s.io", Kind: "Ingress"}:                               ingress.Strategy,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                          ingressclass.Strategy,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:                         networkpolicy.Strategy,
	{Group: "networking.k8s.io", Kind: "ServiceCIDR"}:                           servicecidr.Strategy,
	{Group: "node.k8s.io", Kind: "RuntimeClass"}:                                runtimeclass.Strategy,
	{Group: "policy", Kind: "PodDisruptionBudget"}:                              poddisruptionbudget.Strategy,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:                   clusterrole.Strategy,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:            clusterrolebinding.Strategy,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}:                          role.Strategy,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:                   rolebinding.Strategy,
	{Group: "resource.k8s.io", Kind: "DeviceClass"}:                             deviceclass.Strategy,
	{Group: "resource.k8s.io", Kind: "DeviceTaintRule"}:                         devicetaintrule.Strategy,
	{Group: "resource.k8s.io", Kind: "ResourceClaim"}:                           resourceclaim.NewStrategy(adminNamespace{}, nil),
	{Group: "resource.k8s.io", Kind: "ResourceClaimTemplate"}:                   resourceclaimtemplate.NewStrategy(adminNamespace{}),
	{Group: "resource.k8s.io", Kind: "ResourceSlice"}:                           resourceslice.Strategy,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                         priorityclass.Strategy,
	{Group: "storage.k8s.io", Kind: "CSIDriver"}:                                csidriver.Strategy,
	{Group: "storage.k8s.io", Kind: "CSINode"}:                                  csinode.Strategy,
	{Group: "storage.k8s.io", Kind: "CSIStorageCapacity"}:                       csistoragecapacity.Strategy,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                             storageclass.Strategy,
	{Group: "storage.k8s.io", Kind: "VolumeAttachment"}:                         volumeattachment.Strategy,
	{Group: "storage.k8s.io", Kind: "VolumeAttributesClass"}:                    volumeattributesclass.Strategy,
	{Group: "storagemigration.k8s.io", Kind: "StorageVersionMigration"}:         storagemigration.Strategy,
}

// adminNamespace lets requests in every namespace have the administrator's access to devices: the question is not asked of a row.
type adminNamespace struct{ typedcorev1.NamespaceInterface }

func (adminNamespace) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Namespace, error) {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{resourcev1.DRAAdminNamespaceLabelKey: "true"}}}, nil
}

// differing are kinds whose writes are not held to upstream yet: the run knows differences that are not mended. -all compares them, too.
var differing = map[string]bool{}

// kind is one version of a kind that minik serves and upstream has a strategy for.
type kind struct {
	schema.GroupVersionKind
	row      *resources.Resource
	served   *resources.Served // nil for the stored version
	strategy strategy
	sub      *resources.Subresource // the part of it that is written; nil for the whole
}

// kinds are those of minik's table, in its order.
func kinds() []kind {
	var all []kind
	for _, row := range builtin.All() {
		add := func(gvk schema.GroupVersionKind, served *resources.Served) {
			if s := strategies[gvk.GroupKind()]; s != nil {
				all = append(all, kind{gvk, row, served, s, nil})
			}
		}
		add(row.Kind, nil)
		for i := range row.Served {
			add(row.Served[i].Kind, &row.Served[i])
		}
	}
	return all
}

// String is the name of the kind's test: "Pod", and with the group and version where another one has the same name; "Pod.status".
func (k kind) String() string {
	name := k.Kind
	switch k.GroupVersion().String() {
	case "events.k8s.io/v1", "autoscaling/v1":
		name += "." + k.Version + "." + k.Group
	}
	if k.sub != nil {
		name += "." + k.sub.Name
	}
	return name
}

// new is an empty object of the version.
func (k kind) new() resources.Object {
	if k.served != nil {
		return k.served.New()
	}
	return k.row.New()
}

// differingColumns are kinds whose table is not held to upstream yet.
var differingColumns = map[string]bool{}

// differingStatus are kinds whose status is not held to upstream yet.
var differingStatus = map[string]bool{"PodCertificateRequest.status": true, "ResourceClaim.status": true}
