package scheduler

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
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

// idle says that pop would find nothing.
func (q *queue) idle(now time.Time) bool {
	return q.active.Len()+q.backoff.Len() == 0 && (q.failed.Len() == 0 || q.failed.pods[0].until.After(now))
}

// ready is the pod that pop would take out, and how many pods it could. It counts what pop would make active first.
func (q *queue) ready(now time.Time) (*corev1.Pod, int) {
	var first *queuedPod
	count := 0
	note := func(item *queuedPod) {
		count++
		if first == nil || byPriority(item, first) {
			first = item
		}
	}
	if q.active.Len() > 0 {
		note(q.active.pods[0])
		count = q.active.Len()
	}
	for _, waiting := range []*podHeap{&q.backoff, &q.failed} {
		for _, item := range waiting.pods {
			if !item.until.After(now) {
				note(item)
			}
		}
	}
	if first == nil && q.backoff.Len() > 0 {
		return q.backoff.pods[0].pod, q.backoff.Len()
	}
	if first == nil {
		return nil, 0
	}
	return first.pod, count
}

// decided says what a decision was.
func decided(pod *corev1.Pod, d Decision) string {
	if d.Node == "" {
		return fmt.Sprintf("pods/%s in %s → no node: %s", pod.Name, pod.Namespace, d.Reason())
	}
	return fmt.Sprintf("pods/%s in %s → %s: %s", pod.Name, pod.Namespace, d.Node, d.Reason())
}
