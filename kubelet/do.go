package kubelet

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/env"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
)

// do carries one step out. What fails and is tried again by itself is remembered in the entry and is no error.
func (s *session) do(ctx context.Context, e *entry, pod *corev1.Pod, o Observed, a Action, now time.Time) error {
	switch a.Kind {
	case MountVolumes:
		return s.mount(ctx, e, pod)
	case StartSandbox:
		return s.startSandbox(ctx, e, pod)
	case PullImage:
		s.pull(ctx, e, pod, a.Container)
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

// Upstream's back-off of mounts.
const (
	initialMountBackOff = 500 * time.Millisecond
	maxMountBackOff     = 2*time.Minute + 2*time.Second
)

// mount makes sure that what the pod's volumes name is there.
func (s *session) mount(ctx context.Context, e *entry, pod *corev1.Pod) error {
	e.mu.Lock()
	e.stale = false // what changes from here on makes it so again
	e.mu.Unlock()
	err := s.writeVolumes(ctx, e, pod)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.volumes = backoff.Try{Done: true}
		return nil
	}
	s.event(pod, nil, corev1.EventTypeWarning, "FailedMount", err.Error())
	delay := backoff.Doubled(e.volumes.Delay, initialMountBackOff, maxMountBackOff)
	e.stale = e.files
	e.volumes = backoff.Try{Reason: "FailedMount", Message: err.Error(), Delay: delay, RetryAt: s.clock.Now().Add(delay)}
	return nil
}

func (s *session) startSandbox(ctx context.Context, e *entry, pod *corev1.Pod) error {
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
		s.event(pod, nil, corev1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: "+err.Error())
		e.sandbox = backoff.Try{Reason: "FailedCreatePodSandBox", Message: err.Error(), RetryAt: s.clock.Now().Add(backoff.Retry)}
	}
	return nil
}

// pull makes the container's image ready in the background and wakes the pod when it is, or has failed.
func (s *session) pull(ctx context.Context, e *entry, pod *corev1.Pod, c *corev1.Container) {
	ctx, cancel := context.WithCancel(ctx)
	e.mu.Lock()
	before := e.pulls[c.Name]
	if before.Image != c.Image {
		before = images.Pull{} // the spec has changed: what was tried for another image says nothing of this one
		if give := e.cancel[c.Name]; give != nil {
			give()
		}
	}
	e.pulls[c.Name] = images.Begin(c.Image, before)
	e.cancel[c.Name] = cancel
	e.mu.Unlock()
	s.work.Go(func() {
		defer cancel()
		begin := s.clock.Now()
		asked := false
		id, err := s.pullNow(ctx, pod, c, func() {
			asked = true
			s.event(pod, c, corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", c.Image))
		})
		if ctx.Err() != nil {
			return
		}
		now := s.clock.Now()
		result := images.Pull{ImageID: id, Try: backoff.Try{Done: err == nil}}
		if err != nil {
			before.Image = c.Image
			result = before.Failed(err, now)
			for _, told := range result.FailureEvents() {
				s.event(pod, c, told.Type, told.Reason, told.Message)
			}
		} else if asked {
			took := now.Sub(begin).Round(time.Millisecond)
			s.event(pod, c, corev1.EventTypeNormal, "Pulled",
				fmt.Sprintf("Successfully pulled image %q in %s (%s including waiting)", c.Image, took, took))
		} else {
			s.event(pod, c, corev1.EventTypeNormal, "Pulled",
				fmt.Sprintf("Container image %q already present on machine", c.Image))
		}
		result.Image = c.Image
		e.mu.Lock()
		if ctx.Err() == nil { // else another image is asked for since
			e.pulls[c.Name] = result
		}
		e.mu.Unlock()
		s.queue.Add(pod.UID)
	})
}

// pullNow asks the runtime for an image whose name is one.
func (s *session) pullNow(ctx context.Context, pod *corev1.Pod, c *corev1.Container, pulling func()) (string, error) {
	if _, err := images.FullName(c.Image); err != nil {
		return "", err
	}
	return s.options.Runtime.PullImage(ctx, runtime.PullRequest{Pod: pod, Container: c, Policy: images.Policy(c),
		Secrets: s.pullSecrets(ctx, pod)}, pulling)
}

// endPulls gives up every pull of a pod that needs no images any more.
func (e *entry) endPulls() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, cancel := range e.cancel {
		cancel()
		delete(e.cancel, name)
	}
}

// startContainer resolves the container's configuration and starts it.
func (s *session) startContainer(ctx context.Context, e *entry, pod *corev1.Pod, o Observed, a Action) error {
	c := a.Container
	id, err := s.configureAndStart(ctx, pod, o, a)
	reason := startReason(err)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pulls, c.Name)
	now := s.clock.Now()
	if err != nil {
		s.event(pod, c, corev1.EventTypeWarning, "Failed", "Error: "+err.Error())
		e.starts[c.Name] = backoff.Try{Reason: reason, Message: err.Error(), RetryAt: now.Add(backoff.Retry)}
		return nil
	}
	delete(e.starts, c.Name)
	for _, earlier := range o.Runtime.Containers {
		if earlier.Name == c.Name && earlier.Attempt == a.Attempt-1 {
			e.backOffs[c.Name] = e.backOffs[c.Name].Restarted(earlier.FinishedAt, now)
		}
	}
	e.unannounced[id] = true
	e.inForce[id] = *c.Resources.DeepCopy()
	if c.Lifecycle != nil && c.Lifecycle.PostStart != nil {
		e.hooks[id] = Hook{Pending: true}
	}
	s.event(pod, c, corev1.EventTypeNormal, "Created", "Created container: "+c.Name)
	return nil
}

func (s *session) stop(ctx context.Context, e *entry, pod *corev1.Pod, a Action, now time.Time) error {
	e.endPulls()
	e.mu.Lock()
	_, again := e.stopping[a.ID]
	if cancel := e.preStops[a.ID]; cancel != nil {
		delete(e.preStops, a.ID)
		cancel()
	}
	e.mu.Unlock()
	if !again {
		s.event(pod, a.Container, corev1.EventTypeNormal, "Killing", a.Event)
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
func (s *session) remove(ctx context.Context, e *entry, a Action) error {
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
func (s *session) deletePod(ctx context.Context, e *entry, pod *corev1.Pod) error {
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

// configureAndStart resolves what the container's spec names, and starts it.
func (s *session) configureAndStart(ctx context.Context, pod *corev1.Pod, o Observed, a Action) (string, error) {
	c := a.Container
	pod, _ = o.Resize.Pod(pod, o.Last)
	refs := env.NewReferences(ctx, s.client, pod.Namespace)
	var err error
	if s.options.Dir != "" {
		if refs.Services, err = env.Services(ctx, s.client, pod); err != nil {
			return "", err
		}
	}
	vars, err := env.Resolve(pod, c, refs, o.Runtime.Sandbox.IPs, s.hostIPs, withDefaults(s.options.Capacity))
	if err != nil {
		return "", err
	}
	config := runtime.ContainerConfig{Pod: pod, Container: c, Attempt: a.Attempt, ImageID: o.pull(c).ImageID, Env: vars,
		Command: env.ExpandAll(c.Command, vars), Args: env.ExpandAll(c.Args, vars)}
	if config.Target, err = sharesWith(pod, c.Name, o.Runtime); err != nil {
		return "", err
	}
	if config.Seccomp, err = localSeccomp(s.options.Dir, pod, c); err != nil {
		return "", err
	}
	if config.Mounts, err = s.prepareMounts(pod, c, a.Attempt, vars, o.Runtime.Sandbox.IPs); err != nil {
		return "", err
	}
	return s.options.Runtime.StartContainer(ctx, config)
}

// startReason is the waiting reason of a container that could not be started: whether its own configuration or the runtime
// is why.
func startReason(err error) string {
	var config *runtime.ConfigError
	if errors.As(err, &config) {
		return "CreateContainerConfigError"
	}
	return "CreateContainerError"
}
