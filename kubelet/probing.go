package kubelet

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/runtime"
)

// probeKey is one probe of one attempt at a container.
type probeKey struct {
	uid  types.UID
	name string
	id   string
	kind ProbeKind
}

// probed is a running container as the probes see it.
type probed struct {
	id      string
	started time.Time
}

// scheduleProbes puts the probes of the pod's running containers into the queue that are not there yet.
func (s *session) scheduleProbes(e *entry, pod *corev1.Pod, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range containersOf(pod) {
		running, ok := e.probed[c.Name]
		if !ok {
			continue
		}
		for _, kind := range []ProbeKind{Startup, Readiness, Liveness} {
			if probeOf(c, kind) != nil {
				s.scheduleProbe(e, c, probeKey{pod.UID, c.Name, running.id, kind}, running.started, now)
			}
		}
	}
}

// scheduleProbe queues one probe for when it is due; e.mu is held.
func (s *session) scheduleProbe(e *entry, c *corev1.Container, key probeKey, started, now time.Time) {
	if e.probing[key] {
		return
	}
	results := e.probes[key.name]
	if results.ID != key.id {
		results = ProbeResults{ID: key.id}
		e.probes[key.name] = results
	}
	if wait := probeWait(c, key.kind, results, started, now); wait >= 0 {
		e.probing[key] = true
		s.probes.AddAfter(key, wait)
	}
}

// dispatchProbes gives each probe that is due a goroutine of its own; between two probes there is none.
func (s *session) dispatchProbes(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.probes.ShutDown)
	defer stop()
	for {
		key, shutdown := s.probes.Get()
		if shutdown {
			return
		}
		s.work.Go(func() {
			defer s.probes.Done(key)
			s.probe(ctx, key)
		})
	}
}

// probe asks once, notes the answer, wakes the pod when the verdict changed and schedules the next time.
func (s *session) probe(ctx context.Context, key probeKey) {
	e := s.lookup(key.uid)
	if e == nil {
		return
	}
	e.mu.Lock()
	pod, podIP, running := e.pod, e.podIP, e.probed[key.name]
	delete(e.probing, key)
	_, stopping := e.stopping[key.id]
	e.mu.Unlock()
	c := containerOf(pod, key.name)
	if c == nil || running.id != key.id || stopping {
		return
	}
	failure := s.ask(ctx, podIP, c, key)
	if ctx.Err() != nil {
		return
	}
	e.mu.Lock()
	results := e.probes[key.name]
	if results.ID != key.id {
		e.mu.Unlock()
		return
	}
	before := *results.of(key.kind)
	after := before.after(probeOf(c, key.kind), failure)
	*results.of(key.kind) = after
	e.probes[key.name] = results
	s.scheduleProbe(e, c, key, running.started, s.clock.Now())
	e.mu.Unlock()
	if failure != nil {
		s.event(pod, c, corev1.EventTypeWarning, "Unhealthy", fmt.Sprintf("%s probe failed: %v", key.kind, failure))
	}
	if before.Success != after.Success || before.Failure != after.Failure {
		s.queue.Add(key.uid)
	}
}

// ask lets the runtime answer where it can, and dials otherwise.
func (s *session) ask(ctx context.Context, podIP string, c *corev1.Container, key probeKey) error {
	probe := probeOf(c, key.kind)
	if prober, ok := s.options.Runtime.(Prober); ok {
		if err, handled := prober.Probe(ctx, key.id, key.kind, probe); handled {
			return err
		}
	}
	if executor, ok := s.options.Runtime.(runtime.Executor); ok && probe.Exec != nil {
		return probeCommand(ctx, executor, key.id, probe)
	}
	return dialer{address: s.options.Address}.probe(ctx, podIP, c, probe)
}

// containersOf are all the pod's containers.
func containersOf(pod *corev1.Pod) []*corev1.Container {
	var out []*corev1.Container
	for i := range pod.Spec.InitContainers {
		out = append(out, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		out = append(out, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.EphemeralContainers {
		out = append(out, ephemeral(&pod.Spec.EphemeralContainers[i]))
	}
	return out
}

func containerOf(pod *corev1.Pod, name string) *corev1.Container {
	for _, c := range containersOf(pod) {
		if c.Name == name {
			return c
		}
	}
	return nil
}
