package podspec

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// QoSClass is Guaranteed where every container limits cpu and memory and asks for no less, BestEffort where none says
// anything of either, and Burstable between the two (pkg/apis/core/v1/helper/qos). A pod that says it as a whole is taken at its word.
func QoSClass(spec *corev1.PodSpec) corev1.PodQOSClass {
	if resource.IsPodLevelResourcesSet(&corev1.Pod{Spec: *spec}) {
		return qosOf(spec.Resources)
	}
	class := corev1.PodQOSClass("")
	ForEachContainer(spec, func(c *corev1.Container) {
		if is := qosOf(&c.Resources); class == "" {
			class = is
		} else if is != class {
			class = corev1.PodQOSBurstable
		}
	})
	if class == "" {
		return corev1.PodQOSBestEffort
	}
	return class
}

// qosOf is the class of what asks for so much.
func qosOf(r *corev1.ResourceRequirements) corev1.PodQOSClass {
	limited := 0
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := r.Requests[name], r.Limits[name]
		if !request.Equal(limit) {
			return corev1.PodQOSBurstable
		}
		if !request.IsZero() {
			limited++
		}
	}
	return []corev1.PodQOSClass{corev1.PodQOSBestEffort, corev1.PodQOSBurstable, corev1.PodQOSGuaranteed}[limited]
}
