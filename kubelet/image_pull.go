package kubelet

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/events"
	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
)

// pullSecrets are those of the pod's imagePullSecrets that exist; of the others an Event tells, as upstream's does.
func (s *session) pullSecrets(ctx context.Context, pod *corev1.Pod) []*corev1.Secret {
	var out []*corev1.Secret
	var absent []string
	for _, ref := range pod.Spec.ImagePullSecrets {
		secret, err := s.client.CoreV1().Secrets(pod.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		switch {
		case err == nil:
			out = append(out, secret)
		case apierrors.IsNotFound(err):
			absent = append(absent, ref.Name)
		default:
			s.log.Warn("an image pull secret was not read", "secret", ref.Name, "namespace", pod.Namespace, "error", err)
		}
	}
	if len(absent) > 0 {
		s.event(pod, nil, events.Warning("FailedToRetrieveImagePullSecret",
			"Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.",
			strings.Join(absent, ", ")))
	}
	return out
}

// pull makes an image that the container needs ready in the background and wakes the pod when it is, or has failed.
func (s *session) pull(ctx context.Context, e *podState, pod *corev1.Pod, c *corev1.Container, wanted images.Wanted) {
	ctx, cancel := context.WithCancel(ctx)
	key, of := wanted.Key(), c
	if wanted.Volume != "" {
		of = nil // as upstream, Events tell of the pod
	}
	e.mu.Lock()
	before := e.pulls[key]
	if before.Image != wanted.Image {
		before = images.Pull{} // the spec has changed: what was tried for another image says nothing of this one
		if give := e.cancel[key]; give != nil {
			give()
		}
	}
	e.pulls[key] = images.Begin(wanted.Image, before)
	e.cancel[key] = cancel
	e.mu.Unlock()
	s.work.Go(func() {
		defer cancel()
		begin := s.clock.Now()
		asked := false
		id, err := s.pullNow(ctx, pod, c, wanted, func() {
			asked = true
			s.event(pod, of, events.Normal("Pulling", "Pulling image %q", wanted.Image))
		})
		if ctx.Err() != nil {
			return
		}
		now := s.clock.Now()
		result := images.Pull{ImageID: id, Try: backoff.Try{Done: err == nil}}
		if err != nil {
			before.Image = wanted.Image
			result = before.Failed(err, now)
			for _, told := range result.FailureEvents() {
				s.event(pod, of, told)
			}
		} else if asked {
			took := now.Sub(begin).Round(time.Millisecond)
			s.event(pod, of, events.Normal("Pulled", "Successfully pulled image %q in %s (%s including waiting)",
				wanted.Image, took, took))
		} else {
			s.event(pod, of, events.Normal("Pulled", "Container image %q already present on machine", wanted.Image))
		}
		result.Image = wanted.Image
		e.mu.Lock()
		if ctx.Err() == nil { // else another image is asked for since
			e.pulls[key] = result
		}
		e.mu.Unlock()
		s.queue.Add(pod.UID)
	})
}

// pullNow asks the runtime for an image whose name is one.
func (s *session) pullNow(ctx context.Context, pod *corev1.Pod, c *corev1.Container, wanted images.Wanted, pulling func()) (string, error) {
	if _, err := images.FullName(wanted.Image); err != nil {
		return "", err
	}
	return s.options.Runtime.PullImage(ctx, runtime.PullRequest{Pod: pod, Container: c, Image: wanted.Image, Policy: wanted.Policy,
		Secrets: s.pullSecrets(ctx, pod)}, pulling)
}

// endPulls gives up every pull of a pod that needs no images any more.
func (e *podState) endPulls() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, cancel := range e.cancel {
		cancel()
		delete(e.cancel, name)
	}
}
