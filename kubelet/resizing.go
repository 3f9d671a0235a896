package kubelet

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	resourcehelpers "k8s.io/component-helpers/resource"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/runtime"
)

// room completes what is observed of a pod that asks for a resize by what its node has, and remembers whether it has to
// wait for other pods.
func (s *session) room(pod *corev1.Pod, o *Observed) {
	pending := o.pendingResize(pod)
	deferred := false
	if pending {
		o.Resize.Allocatable = withDefaults(s.options.Capacity)
		o.Resize.Used = s.used(pod)
		granted, _ := o.grantedPod(pod)
		reason, _ := o.refusal(pod, granted)
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
	var others []*entry
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
		granted, _ := o.grantedPod(pod)
		held := granted.DeepCopy()
		for _, list := range []struct {
			containers []corev1.Container
			statuses   []corev1.ContainerStatus
		}{{held.Spec.InitContainers, o.Last.InitContainerStatuses}, {held.Spec.Containers, o.Last.ContainerStatuses}} {
			for i := range list.containers {
				holdInForce(&list.containers[i], list.statuses)
			}
		}
		requests := resourcehelpers.PodRequests(held, resourcehelpers.PodResourcesOptions{})
		for _, name := range resizable {
			total := sum[name]
			total.Add(requests[name])
			sum[name] = total
		}
	}
	return sum
}

// holdInForce raises the container's requests to those that are in force: what shrinks is free when it has shrunk.
func holdInForce(c *corev1.Container, statuses []corev1.ContainerStatus) {
	for _, status := range statuses {
		if status.Name != c.Name || status.Resources == nil {
			continue
		}
		for name, inForce := range status.Resources.Requests {
			if request := c.Resources.Requests[name]; inForce.Cmp(request) > 0 {
				if c.Resources.Requests == nil {
					c.Resources.Requests = corev1.ResourceList{}
				}
				c.Resources.Requests[name] = inForce
			}
		}
	}
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
func (s *session) grantResources(e *entry, pod *corev1.Pod, o Observed) {
	s.granting.Lock()
	defer s.granting.Unlock()
	s.room(pod, &o)
	if o.grant(pod) == nil {
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
func (s *session) resizeContainer(ctx context.Context, e *entry, pod *corev1.Pod, a Action) error {
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
		e.resizes[a.ID] = backoff.Try{Reason: corev1.PodReasonError, Message: err.Error(), RetryAt: s.clock.Now().Add(retryResize)}
		return nil
	}
	delete(e.resizes, a.ID)
	e.inForce[a.ID] = *a.Container.Resources.DeepCopy()
	return nil
}
