package nodelifecycle

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

// The condition by which an evicted pod says why, in upstream's words.
const (
	deletionByTaintManager = "DeletionByTaintManager"
	taintManagerMessage    = "Taint manager: deleting due to NoExecute taint"
)

// eviction is whether, and when, a pod has to leave its node.
type eviction struct {
	// Evict now.
	Evict bool
	// After is when to look again where the pod may stay for a while; zero where it may stay for good.
	After  time.Duration
	Reason string
}

// planEviction compares the NoExecute taints of a node with what its pod tolerates. A taint that no toleration matches
// evicts at once; one that is tolerated for tolerationSeconds evicts that long after the taint was added, the shortest
// toleration winning; a toleration without tolerationSeconds holds for ever. Each taint must carry its TimeAdded.
func planEviction(taints []corev1.Taint, pod *corev1.Pod, now time.Time) eviction {
	if pod.DeletionTimestamp != nil {
		return eviction{Reason: "the pod is being deleted already"}
	}
	out := eviction{Reason: fmt.Sprintf("all NoExecute taints of node %s are tolerated", pod.Spec.NodeName)}
	for _, taint := range taints {
		if taint.Effect != corev1.TaintEffectNoExecute {
			continue
		}
		seconds, tolerated := tolerationSeconds(&taint, pod.Spec.Tolerations)
		if !tolerated {
			return eviction{Evict: true, Reason: fmt.Sprintf("node %s has taint %s, which the pod does not tolerate",
				pod.Spec.NodeName, taint.ToString())}
		}
		if seconds == nil {
			continue
		}
		left := taint.TimeAdded.Add(time.Duration(*seconds) * time.Second).Sub(now)
		reason := fmt.Sprintf("node %s has taint %s since %v, which the pod tolerates for %d s",
			pod.Spec.NodeName, taint.ToString(), now.Sub(taint.TimeAdded.Time).Round(time.Millisecond), *seconds)
		if left <= 0 {
			return eviction{Evict: true, Reason: reason}
		}
		if out.After == 0 || left < out.After {
			out = eviction{After: left, Reason: reason}
		}
	}
	return out
}

// tolerationSeconds is the shortest time for which the tolerations accept the taint: nil for ever, zero and below at once.
func tolerationSeconds(taint *corev1.Taint, tolerations []corev1.Toleration) (*int64, bool) {
	var shortest *int64
	tolerated := false
	for i := range tolerations {
		if !tolerations[i].ToleratesTaint(klog.Logger{}, taint, true) {
			continue
		}
		tolerated = true
		if s := tolerations[i].TolerationSeconds; s != nil && (shortest == nil || *s < *shortest) {
			shortest = s
		}
	}
	return shortest, tolerated
}
