package kubelet

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"minik.dev/events"
	"minik.dev/kubelet/backoff"
)

// do carries one step out. What fails and is tried again by itself is remembered in the pod's state and is no error.
func (s *session) do(ctx context.Context, e *podState, pod *corev1.Pod, o Observed, a Action, now time.Time) error {
	switch a.Kind {
	case MountVolumes:
		return s.mount(ctx, e, pod)
	case StartSandbox:
		return s.startSandbox(ctx, e, pod)
	case PullImage:
		s.pull(ctx, e, pod, a.Container, a.Image)
		return nil
	case StartContainer:
		return s.startContainer(ctx, e, pod, o, a)
	case RunPostStart:
		s.runPostStart(ctx, e, pod, a)
		return nil
	case GrantResources:
		s.grantResources(e, pod, o)
		return nil
	case ResizeContainer:
		return s.resizeContainer(ctx, e, pod, a)
	case StopContainer:
		return s.stop(ctx, e, pod, a, now)
	case StopSandbox:
		e.endPulls()
		s.watched.Forget(pod.UID)
		return s.options.Runtime.Stop(ctx, a.ID, 0)
	case Remove:
		return s.remove(ctx, e, a)
	case RemoveVolumes:
		return s.removeVolumes(ctx, e, pod)
	case DeletePod:
		return s.deletePod(ctx, e, pod)
	case Forget:
		e.endPulls()
		s.mu.Lock()
		s.probes.Forget(pod.UID)
		delete(s.entries, pod.UID)
		delete(s.deferred, pod.UID)
		s.mu.Unlock()
		s.wakeDeferred()
		return nil
	}
	return fmt.Errorf("pod %s/%s: no way to do %q is known", pod.Namespace, pod.Name, a.Kind)
}

func (s *session) startSandbox(ctx context.Context, e *podState, pod *corev1.Pod) error {
	e.mu.Lock()
	attempt := e.attempt
	e.attempt++
	e.mu.Unlock()
	err := s.options.Runtime.StartSandbox(ctx, pod, attempt)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sandbox = backoff.Try{}
	if err != nil {
		s.event(pod, nil, events.Warning("FailedCreatePodSandBox", "Failed to create pod sandbox: %v", err))
		e.sandbox = backoff.Try{Reason: "FailedCreatePodSandBox", Message: err.Error(), RetryAt: s.clock.Now().Add(backoff.Retry)}
	}
	return nil
}

func (s *session) stop(ctx context.Context, e *podState, pod *corev1.Pod, a Action, now time.Time) error {
	e.endPulls()
	e.mu.Lock()
	_, again := e.stopping[a.ID]
	if cancel := e.preStops[a.ID]; cancel != nil {
		delete(e.preStops, a.ID)
		cancel()
	}
	e.mu.Unlock()
	if !again {
		s.event(pod, a.Container, events.Normal("Killing", "%s", a.Event))
	}
	if !again && a.Grace > 0 && preStop(a.Container) != nil {
		s.stopAfterHook(ctx, e, pod, a, now)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.stopping[a.ID] = now.Add(a.Grace)
		return nil
	}
	if err := s.options.Runtime.Stop(ctx, a.ID, a.Grace); err != nil {
		return fmt.Errorf("stopping container %s of pod %s/%s: %w", a.Container.Name, pod.Namespace, pod.Name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopping[a.ID] = now.Add(a.Grace)
	return nil
}

// remove forgets a container, or the sandbox: then the pod begins anew.
func (s *session) remove(ctx context.Context, e *podState, a Action) error {
	if err := s.options.Runtime.Remove(ctx, a.ID); err != nil {
		return fmt.Errorf("removing %s: %w", a.ID, err)
	}
	if a.Container != nil {
		return nil
	}
	e.endPulls()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.volumes, e.sandbox = backoff.Try{}, backoff.Try{}
	clear(e.pulls)
	clear(e.starts)
	clear(e.backOffs)
	return nil
}

// deletePod deletes the API object of a pod of which nothing is left here. The UID keeps a successor of the same name.
func (s *session) deletePod(ctx context.Context, e *podState, pod *corev1.Pod) error {
	e.endPulls()
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := s.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}
