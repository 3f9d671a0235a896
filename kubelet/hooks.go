package kubelet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/events"
	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/runtime"
)

// Hook is how far the postStart hook of a container has come. Only a container that this kubelet has started has one: a
// hook that an earlier kubelet began is not begun again.
type Hook struct {
	// Pending says that it is to be run once the container runs, Active that it runs. Neither means that it is over.
	Pending, Active bool
	// Failure says why it failed.
	Failure string
}

// leastAfterPreStop is what a container is given to end after its preStop hook, however long that took, as upstream does.
const leastAfterPreStop = 2 * time.Second

// over says that the container's postStart hook is not in the way of the next container.
func (h Hook) over() bool { return !h.Pending && !h.Active }

// postStart is the next step for a container that runs and has a postStart hook to run, or that failed it; nil where there
// is none.
func (o Observed) postStart(pod *corev1.Pod, v view) *Action {
	hook, has := o.Hooks[v.current.ID]
	switch {
	case !has || !v.running():
		return nil
	case hook.Pending:
		return &Action{Kind: RunPostStart, Container: v.spec, ID: v.current.ID,
			Reason: fmt.Sprintf("container %s runs and has a postStart hook", v.spec.Name)}
	case hook.Active:
		return &Action{Kind: Wait, Reason: fmt.Sprintf("the postStart hook of container %s is running", v.spec.Name)}
	case hook.Failure == "":
		return nil
	}
	return &Action{Kind: StopContainer, Container: v.spec, ID: v.current.ID, Grace: podGrace(pod), Event: "FailedPostStartHook",
		Reason: fmt.Sprintf("container %s: postStart hook failed: %s", v.spec.Name, hook.Failure)}
}

// runPostStart runs the hook in the background and wakes the pod when it is over.
func (s *session) runPostStart(ctx context.Context, e *podState, pod *corev1.Pod, a Action) {
	e.mu.Lock()
	e.hooks[a.ID] = Hook{Active: true}
	ip := e.podIP
	e.mu.Unlock()
	s.work.Go(func() {
		err := s.runHook(ctx, ip, a.Container, a.ID, a.Container.Lifecycle.PostStart)
		if ctx.Err() != nil {
			return
		}
		var after Hook
		if err != nil {
			after.Failure = err.Error()
			s.event(pod, a.Container, events.Warning("FailedPostStartHook", "PostStartHook failed: %v", err))
		}
		e.mu.Lock()
		if _, ok := e.hooks[a.ID]; ok { // else the container is no more
			e.hooks[a.ID] = after
		}
		e.mu.Unlock()
		s.queue.Add(pod.UID)
	})
}

// preStop says that the container shall run a hook before it is asked to end: it has one, and runs.
func preStop(c *corev1.Container) *corev1.LifecycleHandler {
	if c.Lifecycle == nil {
		return nil
	}
	return c.Lifecycle.PreStop
}

// stopAfterHook runs the preStop hook within the grace in the background, and then asks the container to end. A second
// call to stop does not wait for it: it cancels the hook.
func (s *session) stopAfterHook(ctx context.Context, e *podState, pod *corev1.Pod, a Action, now time.Time) {
	hookCtx, cancel := context.WithTimeout(ctx, a.Grace)
	e.mu.Lock()
	e.preStops[a.ID] = cancel
	ip := e.podIP
	e.mu.Unlock()
	s.work.Go(func() {
		defer cancel()
		err := s.runHook(hookCtx, ip, a.Container, a.ID, preStop(a.Container))
		e.mu.Lock()
		_, mine := e.preStops[a.ID]
		delete(e.preStops, a.ID)
		e.mu.Unlock()
		if ctx.Err() != nil || !mine { // the kubelet ends, or the container was asked to end sooner
			return
		}
		if err != nil {
			s.event(pod, a.Container, events.Warning("FailedPreStopHook", "PreStopHook failed: %v", err))
		}
		left := max(a.Grace-s.clock.Since(now), leastAfterPreStop)
		if err := s.options.Runtime.Stop(ctx, a.ID, left); err != nil && ctx.Err() == nil {
			s.log.Warn("a container was not asked to end, and is asked again", "container", a.Container.Name, "error", err)
			e.mu.Lock()
			delete(e.stopping, a.ID)
			e.mu.Unlock()
		}
		s.queue.Add(pod.UID)
	})
}

// runHook runs one hook to its end. What a command prints is told where it fails.
func (s *session) runHook(ctx context.Context, ip string, c *corev1.Container, id string, h *corev1.LifecycleHandler) error {
	switch {
	case h.Exec != nil:
		executor, ok := s.options.Runtime.(runtime.Executor)
		if !ok {
			return nil // a simulated container has simulated its hook
		}
		output, code, err := probes.RunCommand(ctx, executor, id, h.Exec.Command)
		switch {
		case err != nil:
			return fmt.Errorf("command %q: %w", strings.Join(h.Exec.Command, " "), err)
		case code != 0:
			return fmt.Errorf("command %q exited with %d: %s", strings.Join(h.Exec.Command, " "), code, output)
		}
		return nil
	case h.HTTPGet != nil:
		err := probes.Dialer{Dial: s.options.Dial}.HTTP(ctx, ip, c, h.HTTPGet)
		var status probes.StatusError
		if errors.As(err, &status) {
			return nil // as upstream: that it answered is enough
		}
		return err
	case h.Sleep != nil:
		select {
		case <-s.clock.After(time.Duration(h.Sleep.Seconds) * time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("a hook is exec, httpGet or sleep")
}
