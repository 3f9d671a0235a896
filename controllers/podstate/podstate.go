package podstate

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Active pods count as replicas: they have not ended and nobody has asked them to.
func Active(pod *corev1.Pod) bool { return !Finished(pod) && pod.DeletionTimestamp == nil }

// Finished pods have ended for good. A controller of replicas lets them be and makes others.
func Finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// ReadySince is when the pod became ready, and whether it is.
func ReadySince(pod *corev1.Pod) (time.Time, bool) {
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type == corev1.PodReady {
			return c.LastTransitionTime.Time, c.Status == corev1.ConditionTrue
		}
	}
	return time.Time{}, false
}

// Ready is whether the pod's Ready condition is True.
func Ready(pod *corev1.Pod) bool {
	_, ready := ReadySince(pod)
	return ready
}

// AvailableIn is how long the pod still has to stay ready until it counts as available: zero when it is available. It is
// false for a pod that is not ready, for which no time can be told.
func AvailableIn(pod *corev1.Pod, minReady time.Duration, now time.Time) (time.Duration, bool) {
	since, ready := ReadySince(pod)
	switch {
	case !ready:
		return 0, false
	case minReady == 0:
		return 0, true
	case since.IsZero():
		return minReady, true
	}
	return max(0, since.Add(minReady).Sub(now)), true
}
