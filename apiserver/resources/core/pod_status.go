package core

import (
	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
)

// agreePodIPs keeps the one address and the list of addresses the same, whichever was given; where they differ, the one counts, as old
// kubelets know it alone.
func agreePodIPs(status *corev1.PodStatus) {
	switch {
	case status.PodIP != "" && (len(status.PodIPs) == 0 || status.PodIPs[0].IP != status.PodIP):
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	case len(status.PodIPs) > 0:
		status.PodIP = status.PodIPs[0].IP
	}
}

// applyPodStatus takes the status from a kubelet or a scheduler. The QoS class is the server's: it is kept.
func applyPodStatus(pod, body *corev1.Pod) {
	old := pod.Status
	pod.Status = body.Status
	if pod.Status.QOSClass == "" {
		pod.Status.QOSClass = old.QOSClass
	}
	keepObservedGenerations(&pod.Status, &old)
	agreePodIPs(&pod.Status)
}

// keepObservedGenerations keeps what a writer that does not know of observed generations leaves out. There may be several
// conditions of one type: the first keeps the first one's generation, and so on.
func keepObservedGenerations(now, old *corev1.PodStatus) {
	if now.ObservedGeneration == 0 {
		now.ObservedGeneration = old.ObservedGeneration
	}
	before := map[corev1.PodConditionType][]int64{}
	for _, c := range old.Conditions {
		before[c.Type] = append(before[c.Type], c.ObservedGeneration)
	}
	for i := range now.Conditions {
		c := &now.Conditions[i]
		if kept := before[c.Type]; len(kept) > 0 {
			before[c.Type] = kept[1:]
			if c.ObservedGeneration == 0 {
				c.ObservedGeneration = kept[0]
			}
		}
	}
}

// validatePodStatus lets a container that has ended for good not come back to life.
func validatePodStatus(pod, old *corev1.Pod) field.ErrorList {
	path := field.NewPath("status")
	errs := validation.Immutable(path.Child("qosClass"), pod.Status.QOSClass, old.Status.QOSClass)
	for i, ip := range pod.Status.PodIPs {
		errs = append(errs, utilvalidation.IsValidIP(path.Child("podIPs").Index(i), ip.IP)...)
	}
	sidecars := map[string]bool{}
	for i := range old.Spec.InitContainers {
		if podspec.IsSidecar(&old.Spec.InitContainers[i]) {
			sidecars[old.Spec.InitContainers[i].Name] = true
		}
	}
	errs = append(errs, validateEnded(path.Child("containerStatuses"), pod.Status.ContainerStatuses,
		old.Status.ContainerStatuses, old.Spec.RestartPolicy, nil)...)
	errs = append(errs, validateEnded(path.Child("initContainerStatuses"), pod.Status.InitContainerStatuses,
		old.Status.InitContainerStatuses, old.Spec.RestartPolicy, sidecars)...)
	return errs
}

// validateEnded finds the containers that had ended for good by the restart policy and are said to live again; those in
// except follow a policy of their own.
func validateEnded(path *field.Path, is, was []corev1.ContainerStatus, policy corev1.RestartPolicy,
	except map[string]bool) field.ErrorList {
	if policy == corev1.RestartPolicyAlways {
		return nil
	}
	var errs field.ErrorList
	for i, old := range was {
		ended := old.State.Terminated
		if ended == nil || except[old.Name] || (ended.ExitCode != 0 && policy == corev1.RestartPolicyOnFailure) {
			continue
		}
		for _, status := range is {
			if status.Name == old.Name && status.State.Terminated == nil {
				errs = append(errs, field.Forbidden(path.Index(i).Child("state"),
					"may not be transitioned to non-terminated state"))
			}
		}
	}
	return errs
}
