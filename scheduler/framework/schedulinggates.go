package framework

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// SchedulingGates keeps pods from the queue.
const SchedulingGates = "SchedulingGates"

// Gated is why the pod is not even queued; nil where it is. (Upstream's PreEnqueue.)
func Gated(pod *corev1.Pod) *Rejection {
	if len(pod.Spec.SchedulingGates) == 0 {
		return nil
	}
	var names []string
	for _, gate := range pod.Spec.SchedulingGates {
		names = append(names, gate.Name)
	}
	r := reject(SchedulingGates, true, fmt.Sprintf("waiting for scheduling gates: %v", names))
	r.OfPod = true
	return r
}
