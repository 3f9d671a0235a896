package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/probes"
)

// probeGrace is what a container that failed a probe is given to end.
func probeGrace(pod *corev1.Pod, spec *corev1.Container, kind probes.Kind) time.Duration {
	if probe := probes.Of(spec, kind); probe != nil && probe.TerminationGracePeriodSeconds != nil {
		return max(time.Duration(*probe.TerminationGracePeriodSeconds)*time.Second, time.Second)
	}
	return podGrace(pod)
}

// podGrace is what one container of a pod that goes on is given to end: the pod's own grace, and at least a second.
func podGrace(pod *corev1.Pod) time.Duration {
	seconds := int64(30)
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		seconds = *s
	}
	return max(time.Duration(seconds)*time.Second, time.Second)
}
