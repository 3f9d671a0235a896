package kubelet

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/resize"
	"minik.dev/kubelet/runtime"
)

// room completes what is observed of a pod that asks for a resize by what its node has, and remembers whether it has to
// wait for other pods.
func (s *session) room(pod *corev1.Pod, o *Observed) {
	granted, pending := o.Resize.Pod(pod, o.Last)
	deferred := false
	if pending {
		o.Resize.Allocatable = withDefaults(s.options.Capacity)
		o.Resize.Used = s.used(pod)
		reason, _ := o.Resize.Refusal(pod, granted)
		deferred = reason == corev1.PodReasonDeferred
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if deferred {
		s.deferred[pod.UID] = true
	} else {
		delete(s.deferred, pod.UID)
	}
}

// used is what the node's other pods were granted, or still have in force.
func (s *session) used(except *corev1.Pod) corev1.ResourceList {
	s.mu.Lock()
	var others []*podState
	for uid, e := range s.entries {
		if uid != except.UID {
			others = append(others, e)
		}
	}
	s.mu.Unlock()
	sum := corev1.ResourceList{}
	for _, e := range others {
		pod, o := e.observe(runtime.Pod{})
		if terminal(o.Last.Phase) {
			continue
		}
		granted, _ := o.Resize.Pod(pod, o.Last)
		resize.Add(sum, granted, o.Last)
	}
	return sum
}

// wakeDeferred has the pods looked at again whose resize waits for others: there may be room now.
func (s *session) wakeDeferred() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uid := range s.deferred {
		s.queue.Add(uid)
	}
}

// grantResources grants the pod what its spec asks for. One pod of the node is granted at a time, and the room is looked at
// again, so that two that ask at once do not both get what is there for one.
func (s *session) grantResources(e *podState, pod *corev1.Pod, o Observed) {
	s.granting.Lock()
	defer s.granting.Unlock()
	s.room(pod, &o)
	if _, ok := o.Resize.Grant(pod, o.Last); !ok {
		return // the next look says why
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range runtime.ContainersOf(pod) {
		e.granted[c.Name] = *c.Resources.DeepCopy()
	}
	clear(e.resizes)
}

// resizeContainer brings into force what the container was granted.
func (s *session) resizeContainer(ctx context.Context, e *podState, pod *corev1.Pod, a Action) error {
	resizer, ok := s.options.Runtime.(runtime.Resizer)
	if !ok {
		return fmt.Errorf("the runtime of pod %s/%s cannot resize containers", pod.Namespace, pod.Name)
	}
	err := resizer.Resize(ctx, a.ID, a.Container)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.resizes[a.ID] = backoff.Try{Reason: corev1.PodReasonError, Message: err.Error(), RetryAt: s.clock.Now().Add(resize.Retry)}
		return nil
	}
	delete(e.resizes, a.ID)
	e.inForce[a.ID] = *a.Container.Resources.DeepCopy()
	return nil
}

// tellResize records the Events of a resize, and wakes the pods that wait for room when one is done: this one may have become smaller.
func (s *session) tellResize(pod *corev1.Pod, last, now corev1.PodStatus) {
	for _, e := range resize.Events(pod, last, now) {
		s.event(pod, nil, e)
		if e.Reason == resize.Completed {
			s.wakeDeferred()
		}
	}
}
