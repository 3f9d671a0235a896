package core

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
)

// pods is the row of pods. What a pod's spec may say is in package podspec, where other groups find it for their templates; here is
// what only pods have: their status (pod_status.go), their table (pod_cells.go) and how a node is chosen for them (binding.go).
func pods() *resources.Resource {
	return &resources.Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("Pod"),
		Plural:        "pods",
		ShortNames:    []string{"po"},
		Categories:    []string{"all"},
		New:           func() resources.Object { return &corev1.Pod{} },
		NewList:       func() runtime.Object { return &corev1.PodList{} },
		ReturnDeleted: true,
		Generation:    true,
		Subresources: []resources.Subresource{
			{Name: "attach", Way: resources.Streams, Kind: podAttachOptions, Verbs: []string{"create", "get"}},
			{
				Name:     "binding",
				Kind:     corev1.SchemeGroupVersion.WithKind("Binding"),
				Verbs:    []string{"create"},
				New:      func() runtime.Object { return &corev1.Binding{} },
				Create:   bind,
				Validate: func(resources.Object, resources.Object) field.ErrorList { return nil },
			},
			ephemeralContainers(),
			{
				Name:  "eviction",
				Way:   resources.Evicts,
				Kind:  policyv1.SchemeGroupVersion.WithKind("Eviction"),
				Verbs: []string{"create"},
				New:   func() runtime.Object { return &policyv1.Eviction{} },
			},
			{Name: "exec", Way: resources.Streams, Kind: podExecOptions, Verbs: []string{"create", "get"}},
			{Name: "log", Way: resources.Logs, Verbs: []string{"get"}},
			{Name: "portforward", Way: resources.Streams, Kind: podPortForwardOptions, Verbs: []string{"create", "get"}},
			resources.Proxied("PodProxyOptions"),
			resize(),
			resources.Status(applyPodStatus, validatePodStatus, "metadata.deletionTimestamp", "metadata.ownerReferences").
				WithWarn(resources.Warn(warnPodStatus)),
		},
		Default: resources.Each(func(pod *corev1.Pod) {
			podspec.DefaultPod(&pod.Spec)
			defaultPodStatus(&pod.Status)
		}),
		Prepare: resources.Pair(preparePod),
		Stamp: resources.Stamp(func(pod, old *corev1.Pod, w resources.Write) {
			if old == nil && len(pod.Status.Conditions) > 0 {
				pod.Status.Conditions[0].LastTransitionTime = w.Now // since when it is gated
			}
		}),
		Validate: resources.Check(podspec.ValidatePod),
		Warn:     resources.Warn(podspec.WarnPod),
		Fields:   resources.Of(podFields),
		Indexed: resources.Index{
			Field: "spec.nodeName",
			Of:    func(obj resources.Object) string { return obj.(*corev1.Pod).Spec.NodeName },
		},
		Grace:   podGrace,
		Columns: podColumns(),
		Cells:   resources.Cells(podCells),
	}
}

// preparePod makes the status of a new pod. An update keeps the status that was stored, as for every kind.
func preparePod(pod, old *corev1.Pod) {
	if old != nil {
		return
	}
	podspec.MergeLabelKeys(pod)
	podspec.SyncAppArmor(pod)
	podspec.DefaultPodResources(&pod.Spec)
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: podspec.QoSClass(&pod.Spec)}
	if len(pod.Spec.SchedulingGates) > 0 {
		pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated,
			Message: "Scheduling is blocked due to non-empty scheduling gates",
		}}
	}
}

// podFields are upstream's selectable fields of pods.
func podFields(pod *corev1.Pod) fields.Set {
	return fields.Set{
		"spec.nodeName":            pod.Spec.NodeName,
		"spec.restartPolicy":       string(pod.Spec.RestartPolicy),
		"spec.schedulerName":       pod.Spec.SchedulerName,
		"spec.serviceAccountName":  pod.Spec.ServiceAccountName,
		"spec.hostNetwork":         strconv.FormatBool(pod.Spec.HostNetwork),
		"status.phase":             string(pod.Status.Phase),
		"status.podIP":             pod.Status.PodIP,
		"status.nominatedNodeName": pod.Status.NominatedNodeName,
	}
}

// podGrace is for how many seconds a pod may end by itself. Nothing waits for a pod that no node has, or that has
// ended. A pod that is being deleted already may be given less time than before, but never more.
func podGrace(obj resources.Object, options *metav1.DeleteOptions) int64 {
	pod := obj.(*corev1.Pod)
	var asked *int64
	if options != nil {
		asked = options.GracePeriodSeconds
	}
	if before := pod.DeletionGracePeriodSeconds; pod.DeletionTimestamp != nil && before != nil {
		if asked != nil && *asked < *before {
			return orOne(*asked)
		}
		return *before
	}
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return 0
	}
	if asked != nil {
		return orOne(*asked)
	}
	if period := pod.Spec.TerminationGracePeriodSeconds; period != nil {
		return orOne(*period)
	}
	return 0
}

// orOne takes a negative period for one second, as upstream does.
func orOne(seconds int64) int64 {
	if seconds < 0 {
		return 1
	}
	return seconds
}

// The kinds that discovery lists for the connections into pods.
var (
	podAttachOptions      = corev1.SchemeGroupVersion.WithKind("PodAttachOptions")
	podExecOptions        = corev1.SchemeGroupVersion.WithKind("PodExecOptions")
	podPortForwardOptions = corev1.SchemeGroupVersion.WithKind("PodPortForwardOptions")
)

// ephemeralContainers is the subresource by which containers are added to a pod that runs, as `kubectl debug` does. It
// shows the whole pod, and writes nothing but its ephemeral containers.
func ephemeralContainers() resources.Subresource {
	return resources.PartOf("ephemeralcontainers", []string{"status", "metadata"}, func(obj, body *corev1.Pod) {
		obj.Spec.EphemeralContainers = body.Spec.EphemeralContainers
	}, podspec.ValidateEphemeralUpdate).WithMeta(resources.WholeMeta)
}

// resize is the subresource by which a pod asks for more or less cpu and memory where it is. It shows the whole pod, and
// takes nothing but those numbers: upstream drops other changes of the spec, here they are refused.
func resize() resources.Subresource {
	return resources.PartOf("resize", []string{"status", "metadata"},
		func(obj, body *corev1.Pod) { obj.Spec = *body.Spec.DeepCopy() }, podspec.ValidateResize).WithMeta(resources.WholeMeta)
}
