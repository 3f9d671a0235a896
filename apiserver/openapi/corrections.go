package openapi

// Upstream's documents are generated from source code, where a comment can say that a field is optional, or required,
// against its JSON tag. The comments are not in the program; these are the fields of the served types for which it
// matters, by definition: true is required.
var corrections = map[string]map[string]bool{
	"io.k8s.api.apps.v1.ControllerRevision":                      {"revision": false},
	"io.k8s.api.apps.v1.DaemonSet":                               {"spec": true},
	"io.k8s.api.apps.v1.DaemonSetCondition":                      {"type": false, "status": false},
	"io.k8s.api.apps.v1.Deployment":                              {"spec": true},
	"io.k8s.api.apps.v1.DeploymentCondition":                     {"type": false, "status": false},
	"io.k8s.api.apps.v1.ReplicaSet":                              {"spec": true},
	"io.k8s.api.apps.v1.ReplicaSetCondition":                     {"type": false, "status": false},
	"io.k8s.api.apps.v1.StatefulSet":                             {"spec": true},
	"io.k8s.api.apps.v1.StatefulSetCondition":                    {"type": false, "status": false},
	"io.k8s.api.apps.v1.StatefulSetOrdinals":                     {"start": false},
	"io.k8s.api.apps.v1.StatefulSetSpec":                         {"serviceName": false},
	"io.k8s.api.apps.v1.StatefulSetStatus":                       {"availableReplicas": false},
	"io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler":          {"spec": true},
	"io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler":          {"spec": true},
	"io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus":    {"currentMetrics": false},
	"io.k8s.api.batch.v1.CronJob":                                {"spec": true},
	"io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern": {"status": false},
	"io.k8s.api.core.v1.AzureFilePersistentVolumeSource":         {"secretNamespace": false},
	"io.k8s.api.core.v1.ContainerImage":                          {"names": false},
	"io.k8s.api.core.v1.ContainerRestartRule":                    {"action": true},
	"io.k8s.api.core.v1.ContainerRestartRuleOnExitCodes":         {"operator": true},
	"io.k8s.api.core.v1.Event":                                   {"reportingComponent": false, "reportingInstance": false},
	"io.k8s.api.core.v1.GRPCAction":                              {"service": false},
	"io.k8s.api.core.v1.ImageVolumeStatus":                       {"imageRef": true},
	"io.k8s.api.core.v1.NodeRuntimeHandler":                      {"name": false},
	"io.k8s.api.core.v1.PodCertificateProjection":                {"signerName": true, "keyType": true},
	"io.k8s.api.core.v1.ProjectedVolumeSource":                   {"sources": false},
	"io.k8s.api.core.v1.TypedLocalObjectReference":               {"apiGroup": false},
	"io.k8s.api.core.v1.TypedObjectReference":                    {"apiGroup": false},
	"io.k8s.api.discovery.v1.EndpointSlice":                      {"endpoints": false, "ports": false},
	"io.k8s.api.events.v1.Event":                                 {"metadata": false},
	"io.k8s.api.networking.v1.IPAddress":                         {"spec": true},
	"io.k8s.api.networking.v1.IPAddressSpec":                     {"parentRef": true},
	"io.k8s.api.networking.v1.IngressClassParametersReference":   {"scope": false},
	"io.k8s.api.networking.v1.NetworkPolicySpec":                 {"podSelector": false},
	"io.k8s.api.networking.v1.ParentReference":                   {"resource": true, "name": true},
	"io.k8s.api.policy.v1.PodDisruptionBudgetStatus": {
		"disruptionsAllowed": false, "currentHealthy": false, "desiredHealthy": false, "expectedPods": false,
	},
	"io.k8s.api.rbac.v1.ClusterRole":         {"rules": false},
	"io.k8s.api.rbac.v1.Role":                {"rules": false},
	"io.k8s.api.rbac.v1.RoleRef":             {"apiGroup": false},
	"io.k8s.api.scheduling.v1.PriorityClass": {"value": false},
	"io.k8s.api.storage.v1.CSINodeDriver":    {"topologyKeys": false},
}

// words describe the types of apimachinery that come without documentation.
var words = map[string]string{
	"io.k8s.apimachinery.pkg.api.resource.Quantity": "A number with an optional suffix: decimal (m, k, M, G, …), " +
		"binary (Ki, Mi, Gi, …) or an exponent. 500m is a half, 2Gi is 2147483648.",
	"io.k8s.apimachinery.pkg.apis.meta.v1.Time":      "A moment to the second, in RFC 3339.",
	"io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "A moment to the microsecond, in RFC 3339.",
	"io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent": "One event of a watch: its type (ADDED, MODIFIED, DELETED, " +
		"BOOKMARK or ERROR), and the object, or for an error a Status.",
	"io.k8s.apimachinery.pkg.runtime.RawExtension":    "An object of any kind.",
	"io.k8s.apimachinery.pkg.util.intstr.IntOrString": "A number or a string: a port or its name, a share (25%).",
}
