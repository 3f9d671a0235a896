package podstate

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WithDisruption is the pod with the condition that tells its owner and its reader why it is taken away, and whether it
// had to be set.
func WithDisruption(pod *corev1.Pod, reason, message string, now time.Time) (*corev1.Pod, bool) {
	condition := corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, Message: message,
		LastTransitionTime: metav1.NewTime(now), ObservedGeneration: pod.Generation,
	}
	updated := pod.DeepCopy()
	for i := range updated.Status.Conditions {
		old := &updated.Status.Conditions[i]
		if old.Type != corev1.DisruptionTarget {
			continue
		}
		if old.Status == condition.Status && old.Reason == reason && old.Message == message {
			return pod, false
		}
		if old.Status == condition.Status {
			condition.LastTransitionTime = old.LastTransitionTime
		}
		*old = condition
		return updated, true
	}
	updated.Status.Conditions = append(updated.Status.Conditions, condition)
	return updated, true
}
