package framework

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
)

// Before reports whether the first pod is decided about before the second: it is of higher priority, or waits longer. (Upstream's
// PrioritySort.)
func Before(first, second *corev1.Pod, firstSince, secondSince time.Time) bool {
	if a, b := schedulinghelpers.PodPriority(first), schedulinghelpers.PodPriority(second); a != b {
		return a > b
	}
	return firstSince.Before(secondSince)
}
