package kubelet

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/control"
	"minik.dev/journal"
	"minik.dev/kubelet/runtime"
)

// maxSteps bounds how long one pod is worked on before others get their turn.
const maxSteps = 32

// writeTimeout bounds one write to the API server.
const writeTimeout = 10 * time.Second

// sync takes the pod's next steps until it has to wait for something, and reports its status.
func (s *session) sync(ctx context.Context, uid types.UID) (err error) {
	e := s.lookup(uid)
	if e == nil {
		return nil
	}
	cause := s.causes.Take(uid)
	wrote := false
	defer func() {
		// A cause stays until a write has named it: what runs after a delay is still the doing of the binding.
		if err != nil || !wrote {
			s.causes.Return(uid, cause)
		}
	}()
	ctx = journal.WithCause(ctx, cause)
	var pass *control.Pass
	decision := ""
	defer func() {
		if pass != nil {
			pass.Done(func() string { return outcome(decision, err) })
		}
	}()
	for range maxSteps {
		running, err := runtime.PodOf(ctx, s.options.Runtime, uid)
		if err != nil {
			return err
		}
		s.lastWords(ctx, e, running)
		now := s.clock.Now()
		pod, o := e.observe(running)
		o.Probes = s.probes.Results(uid)
		s.room(pod, &o)
		status := PodStatus(pod, o, s.hostIPs, now)
		e.remember(status, running)
		s.announce(e, pod, running)
		s.tellResize(pod, o.Last, status)
		if status.Reason == deadlineExceeded.Reason && o.Last.Reason != status.Reason {
			s.event(pod, nil, deadlineExceeded)
		}
		action := Next(pod, o, now)
		var reportErr error
		if (reports(action) || s.gate.Held()) && !o.Gone {
			reported, err := s.report(ctx, e, pod, o, status)
			wrote, reportErr = wrote || reported, err
		}
		s.log.Debug("next step", "pod", pod.Name, "namespace", pod.Namespace, "step", action.Kind, "reason", action.Reason)
		if action.Kind == Wait {
			s.probes.Schedule(pod, e.runs(), now)
			if !action.Until.IsZero() {
				s.queue.AddAfter(uid, max(action.Until.Sub(now), time.Millisecond))
			}
			return reportErr
		}
		if reportErr != nil && action.Kind == DeletePod {
			return reportErr
		}
		if pass == nil {
			var ok bool
			if pass, ok = s.gate.Enter(ctx, func() string { return decided(pod, action) }); !ok {
				return nil
			}
			if pass.Waited() {
				decision = fmt.Sprintf("pods/%s in %s: nothing is to be done any more", pod.Name, pod.Namespace)
				continue // what it was decided on may have changed
			}
		}
		decision = decided(pod, action)
		if err := s.do(journal.WithReason(ctx, action.Reason), e, pod, o, action, now); err != nil {
			return err
		}
		pass.Done(func() string { return decision })
		pass = nil
		if action.Kind == DeletePod || action.Kind == Forget {
			wrote = wrote || action.Kind == DeletePod
			return nil
		}
	}
	s.queue.Add(uid)
	return nil
}

// decided says what a decision is about and what is done.
func decided(pod *corev1.Pod, a Action) string {
	what := string(a.Kind)
	if a.Container != nil {
		what += " " + a.Container.Name
	}
	return fmt.Sprintf("pods/%s in %s → %s: %s", pod.Name, pod.Namespace, what, a.Reason)
}

// outcome adds to a decision why it was not carried out.
func outcome(decision string, err error) string {
	if err == nil {
		return decision
	}
	return fmt.Sprintf("%s: failed and will be tried again: %v", decision, err)
}
