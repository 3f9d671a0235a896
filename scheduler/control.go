package scheduler

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/scheduler/framework"
)

// held is the name by which one holds the scheduler.
const held = "scheduler"

// waiting is the pod that the next decision is about, and how many are ready to be decided about.
func (s *Scheduler) waiting() (first string, ready int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pod, ready := s.queue.ready(s.clock.Now())
	if pod == nil {
		return "", 0
	}
	return "pods/" + pod.Name + " in " + pod.Namespace, ready
}

// behind is how many pods wait behind the one that stands at the gate.
func (s *Scheduler) behind() int {
	_, ready := s.waiting()
	return max(ready-1, 0)
}

// decided says what a decision was.
func decided(pod *corev1.Pod, d framework.Decision) string {
	if d.Node == "" {
		return fmt.Sprintf("pods/%s in %s → no node: %s", pod.Name, pod.Namespace, d.Reason())
	}
	return fmt.Sprintf("pods/%s in %s → %s: %s", pod.Name, pod.Namespace, d.Node, d.Reason())
}
