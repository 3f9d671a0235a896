package kubelet

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/events"
	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/env"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/seccomp"
)

// startContainer resolves the container's configuration and starts it.
func (s *session) startContainer(ctx context.Context, e *podState, pod *corev1.Pod, o Observed, a Action) error {
	c := a.Container
	id, err := s.configureAndStart(ctx, pod, o, a)
	reason := startReason(err)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, wanted := range images.WantedBy(pod, c) {
		delete(e.pulls, wanted.Key())
	}
	now := s.clock.Now()
	if err != nil {
		s.event(pod, c, events.Warning("Failed", "Error: %v", err))
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
	s.event(pod, c, events.Normal("Created", "Created container: %s", c.Name))
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
	config := runtime.ContainerConfig{Pod: pod, Container: c, Attempt: a.Attempt, ImageVolumes: map[string]string{}, Env: vars,
		Command: env.ExpandAll(c.Command, vars), Args: env.ExpandAll(c.Args, vars)}
	for _, wanted := range images.WantedBy(pod, c) {
		if wanted.Volume == "" {
			config.ImageID = o.pull(wanted).ImageID
			continue
		}
		config.ImageVolumes[wanted.Volume] = o.pull(wanted).ImageID
	}
	if config.Target, err = sharesWith(pod, c.Name, o.Runtime); err != nil {
		return "", err
	}
	if config.Seccomp, err = seccomp.Local(s.options.Dir, pod, c); err != nil {
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

// sharesWith is the ID of the container whose processes the container sees, as its targetContainerName asks; "" where it
// asks for none.
func sharesWith(pod *corev1.Pod, name string, running runtime.Pod) (string, error) {
	for _, e := range pod.Spec.EphemeralContainers {
		if e.Name != name || e.TargetContainerName == "" {
			continue
		}
		var newest *runtime.Container
		for i, c := range running.Containers {
			if c.Name == e.TargetContainerName && (newest == nil || c.Attempt > newest.Attempt) {
				newest = &running.Containers[i]
			}
		}
		if newest == nil {
			return "", &runtime.ConfigError{Err: fmt.Errorf("unable to find target container %v", e.TargetContainerName)}
		}
		return newest.ID, nil
	}
	return "", nil
}
