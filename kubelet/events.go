package kubelet

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/reference"

	"minik.dev/events"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
)

// event records an Event about the pod, or about one of its containers where c is not nil.
func (s *session) event(pod *corev1.Pod, c *corev1.Container, e events.Event) {
	path := ""
	if c != nil {
		path = runtime.FieldPath(pod, c.Name)
	}
	ref, err := reference.GetPartialReference(scheme.Scheme, pod, path)
	if err != nil {
		s.log.Error("an event has no reference", "pod", pod.Name, "namespace", pod.Namespace, "error", err)
		return
	}
	s.events.Record(ref, e)
	level := s.log.Info
	if e.Type == corev1.EventTypeWarning {
		level = s.log.Warn
	}
	level(e.Reason, "pod", pod.Name, "namespace", pod.Namespace, "message", e.Message)
}

// announce tells of containers that are seen running for the first time since this kubelet started them.
func (s *session) announce(e *podState, pod *corev1.Pod, running runtime.Pod) {
	var seen, killed []runtime.Container
	e.mu.Lock()
	for _, c := range running.Containers {
		if c.State != runtime.Starting && e.unannounced[c.ID] {
			delete(e.unannounced, c.ID)
			seen = append(seen, c)
		}
		if c.State == runtime.Exited && c.Reason == "OOMKilled" && !e.told[c.ID] {
			e.told[c.ID] = true
			killed = append(killed, c)
		}
	}
	e.mu.Unlock()
	for _, c := range seen {
		spec := &corev1.Container{Name: c.Name}
		if c.StartedAt.Unix() <= 0 {
			s.event(pod, spec, events.Warning("Failed", "Error: failed to start container %s: %s", c.Name, c.Message))
			continue
		}
		s.event(pod, spec, events.Normal("Started", "Started container %s", c.Name))
	}
	for _, c := range killed {
		s.event(pod, &corev1.Container{Name: c.Name}, events.Warning("OOMKilling",
			"Memory cgroup out of memory: container %s was killed, its limit is %s", c.Name, memoryLimit(pod, c.Name)))
	}
}

// memoryLimit is the container's, as its spec writes it.
func memoryLimit(pod *corev1.Pod, name string) string {
	if c := runtime.ContainerOf(pod, name); c != nil {
		if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
			return limit.String()
		}
	}
	return "the node's"
}

// tellWaiting tells of containers that have begun to wait for a back-off.
func (s *session) tellWaiting(pod *corev1.Pod, o Observed, now corev1.PodStatus) {
	before := runtime.StatusesOf(o.Last)
	for _, c := range runtime.StatusesOf(now) {
		if c.State.Waiting == nil || stateOf(before, c.Name) == stateOf([]corev1.ContainerStatus{c}, c.Name) {
			continue
		}
		spec := &corev1.Container{Name: c.Name}
		if c.State.Waiting.Reason == "CrashLoopBackOff" {
			s.event(pod, spec, events.Warning("BackOff", "Back-off restarting failed container %s in pod %s",
				c.Name, runtime.PodRef(pod)))
		}
		if c := runtime.ContainerOf(pod, c.Name); c != nil {
			spec = c
		}
		lacks, _ := o.lacks(pod, spec, s.clock.Now())
		for _, told := range images.WaitingEvents(c.State.Waiting.Reason, lacks.Image) {
			s.event(pod, spec, told)
		}
	}
}
