package podgc

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/controllers/nodestate"
	"minik.dev/controllers/podstate"
)

// podRemoval is one pod to delete at once.
type podRemoval struct {
	Pod *corev1.Pod
	// Disruption is the message of the condition DisruptionTarget; empty where the pod gets none.
	Disruption string
	Reason     string
}

// planNodeGarbage says which pods bound to a node have lost it; a nil node is gone.
func planNodeGarbage(name string, node *corev1.Node, pods []*corev1.Pod) []podRemoval {
	var out []podRemoval
	for _, pod := range pods {
		switch {
		case node == nil:
			out = append(out, podRemoval{Pod: pod, Disruption: "PodGC: node no longer exists",
				Reason: fmt.Sprintf("node %s, to which the pod is bound, no longer exists", name)})
		case outOfService(node) && nodestate.Ready(node) != corev1.ConditionTrue && pod.DeletionTimestamp != nil:
			out = append(out, podRemoval{Pod: pod, Reason: fmt.Sprintf(
				"the pod is terminating, and node %s is not ready and has taint %s", name, corev1.TaintNodeOutOfService)})
		}
	}
	return out
}

// planUnscheduledGarbage says which pods were deleted before they had a node: no kubelet will end them.
func planUnscheduledGarbage(pods []*corev1.Pod) []podRemoval {
	var out []podRemoval
	for _, pod := range pods {
		if pod.Spec.NodeName == "" && pod.DeletionTimestamp != nil {
			out = append(out, podRemoval{Pod: pod, Reason: "the pod is terminating and was never scheduled"})
		}
	}
	return out
}

// planEndedGarbage says which of the ended pods are too many: evicted ones first, then the oldest.
func planEndedGarbage(pods []*corev1.Pod, threshold int) []podRemoval {
	var ended []*corev1.Pod
	for _, pod := range pods {
		if podstate.Finished(pod) && pod.DeletionTimestamp == nil {
			ended = append(ended, pod)
		}
	}
	if len(ended) <= threshold {
		return nil
	}
	evicted := func(pod *corev1.Pod) bool { return pod.Status.Reason == "Evicted" }
	slices.SortStableFunc(ended, func(a, b *corev1.Pod) int {
		if evicted(a) != evicted(b) {
			if evicted(a) {
				return -1
			}
			return 1
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	var out []podRemoval
	for _, pod := range ended[:len(ended)-threshold] {
		out = append(out, podRemoval{Pod: pod, Reason: fmt.Sprintf(
			"%d pods have ended, %d are kept", len(ended), threshold)})
	}
	return out
}

func outOfService(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
}

// failed is the pod as it is marked before its removal, and whether that changes anything.
func failed(r podRemoval, now time.Time) (*corev1.Pod, bool) {
	if podstate.Finished(r.Pod) {
		return r.Pod, false
	}
	marked := r.Pod
	if r.Disruption != "" {
		marked, _ = podstate.WithDisruption(marked, "DeletionByPodGC", r.Disruption, now)
	}
	if marked == r.Pod {
		marked = marked.DeepCopy()
	}
	marked.Status.Phase = corev1.PodFailed
	return marked, true
}
