package podspec

import (
	corev1 "k8s.io/api/core/v1"
)

// QoSClass is Guaranteed where every container limits cpu and memory and asks for no less, BestEffort where none says
// anything of either, and Burstable between the two (pkg/apis/core/v1/helper/qos).
func QoSClass(spec *corev1.PodSpec) corev1.PodQOSClass {
	asked, guaranteed := false, true
	for _, containers := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for _, c := range containers {
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
				asked = asked || !request.IsZero() || !limit.IsZero()
				guaranteed = guaranteed && !limit.IsZero() && request.Cmp(limit) == 0
			}
		}
	}
	switch {
	case !asked:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}
