package kubelet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

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
		s.watched.forget(pod.UID)
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
		delete(s.entries, pod.UID)
		delete(s.deferred, pod.UID)
		s.mu.Unlock()
		s.wakeDeferred()
		return nil
	}
	return fmt.Errorf("pod %s/%s: no way to do %q is known", pod.Namespace, pod.Name, a.Kind)
}

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
		e.volumes = Try{Done: true}
		return nil
	}
	s.event(pod, nil, corev1.EventTypeWarning, "FailedMount", err.Error())
	delay := doubled(e.volumes.Delay, initialMountBackOff, maxMountBackOff)
	e.stale = e.files
	e.volumes = Try{Reason: "FailedMount", Message: err.Error(), Delay: delay, RetryAt: s.clock.Now().Add(delay)}
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
	e.sandbox = Try{}
	if err != nil {
		s.event(pod, nil, corev1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: "+err.Error())
		e.sandbox = Try{Reason: "FailedCreatePodSandBox", Message: err.Error(), RetryAt: s.clock.Now().Add(retryStart)}
	}
	return nil
}

// pull makes the container's image ready in the background and wakes the pod when it is, or has failed.
func (s *session) pull(ctx context.Context, e *entry, pod *corev1.Pod, c *corev1.Container) {
	ctx, cancel := context.WithCancel(ctx)
	e.mu.Lock()
	before := e.pulls[c.Name]
	if before.Image != c.Image {
		before = Pull{} // the spec has changed: what was tried for another image says nothing of this one
		if give := e.cancel[c.Name]; give != nil {
			give()
		}
	}
	e.pulls[c.Name] = Pull{Active: true, Image: c.Image,
		Try: Try{Reason: before.Reason, Message: before.Message, Delay: before.Delay}, FailedAt: before.FailedAt}
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
		result := Pull{ImageID: id, Try: Try{Done: err == nil}}
		if err != nil {
			result = s.pullFailed(pod, c, before, err, now)
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
	if err := CheckImageName(c.Image); err != nil {
		return "", err
	}
	return s.options.Runtime.PullImage(ctx, runtime.PullRequest{Pod: pod, Container: c, Policy: pullPolicy(c),
		Secrets: s.pullSecrets(ctx, pod)}, pulling)
}

// pullFailed tells of a failed pull and says when it is tried again.
func (s *session) pullFailed(pod *corev1.Pod, c *corev1.Container, before Pull, err error, now time.Time) Pull {
	out := before.Failed(err, now)
	if out.Reason != "ErrImagePull" {
		s.event(pod, c, corev1.EventTypeWarning, out.Reason, err.Error())
	} else {
		s.event(pod, c, corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %v", c.Image, err))
	}
	s.event(pod, c, corev1.EventTypeWarning, "Failed", "Error: "+out.Reason)
	return out
}

// pullPolicy is the container's imagePullPolicy, or upstream's default: Always for the tag latest, else IfNotPresent.
func pullPolicy(c *corev1.Container) corev1.PullPolicy {
	if c.ImagePullPolicy != "" {
		return c.ImagePullPolicy
	}
	name, digest, _ := strings.Cut(c.Image, "@")
	last := name[strings.LastIndexByte(name, '/')+1:]
	if _, tag, tagged := strings.Cut(last, ":"); digest == "" && (!tagged || tag == "latest") {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
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
		e.starts[c.Name] = Try{Reason: reason, Message: err.Error(), RetryAt: now.Add(retryStart)}
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
	e.volumes, e.sandbox = Try{}, Try{}
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
	pod, _ = o.grantedPod(pod)
	refs := s.references(ctx, pod.Namespace)
	var err error
	if refs.services, err = s.services(ctx, pod); err != nil {
		return "", err
	}
	env, err := resolveEnv(pod, c, refs, o.Runtime.Sandbox.IPs, s.hostIPs, withDefaults(s.options.Capacity))
	if err != nil {
		return "", err
	}
	config := runtime.ContainerConfig{Pod: pod, Container: c, Attempt: a.Attempt, ImageID: o.pull(c).ImageID, Env: env,
		Command: expandAll(c.Command, env), Args: expandAll(c.Args, env)}
	if config.Target, err = sharesWith(pod, c.Name, o.Runtime); err != nil {
		return "", err
	}
	if config.Seccomp, err = localSeccomp(s.options.Dir, pod, c); err != nil {
		return "", err
	}
	if config.Mounts, err = s.prepareMounts(pod, c, a.Attempt, env, o.Runtime.Sandbox.IPs); err != nil {
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

// references finds what pods of the namespace name, with a plain get each time: so a change is seen at the next start.
func (s *session) references(ctx context.Context, namespace string) references {
	core := s.client.CoreV1()
	return references{
		configMap: func(name string) (*corev1.ConfigMap, error) {
			m, err := core.ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
			return m, notFound(err, "configmap", name)
		},
		secret: func(name string) (*corev1.Secret, error) {
			m, err := core.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
			return m, notFound(err, "secret", name)
		},
	}
}

// notFound words a missing object as upstream's kubelet does: in the singular.
func notFound(err error, kind, name string) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
}
