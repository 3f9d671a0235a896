package images

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/events"
	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/runtime"
)

// What a container waits for whose image cannot be had, as upstream calls it.
const (
	errImagePull      = "ErrImagePull"
	imagePullBackOff  = "ImagePullBackOff"
	errImageNeverPull = "ErrImageNeverPull"
	invalidImageName  = "InvalidImageName"
)

// errImagePullShown is how long ErrImagePull is reported before ImagePullBackOff. Upstream shows it until its next
// look at the pod, after some seconds.
const errImagePullShown = 2 * time.Second

// Pull is a Try for an image. The zero value is an image that nobody has tried to pull.
type Pull struct {
	backoff.Try
	// Image is what was asked for: where the spec asks for another one since, this pull is none of its own.
	Image string
	// Active says that the pull is under way.
	Active   bool
	ImageID  string
	FailedAt time.Time
}

// Begin is a pull of the image that has begun, after how an earlier one has ended.
func Begin(image string, before Pull) Pull {
	before.Done, before.RetryAt = false, time.Time{}
	before.Active, before.Image, before.ImageID = true, image, ""
	return before
}

// Failed is the pull after it failed once more, now.
func (p Pull) Failed(err error, now time.Time) Pull {
	delay := backoff.Doubled(p.Delay, backoff.Initial, backoff.Max)
	out := Pull{FailedAt: now, Image: p.Image,
		Try: backoff.Try{Reason: errImagePull, Message: err.Error(), Delay: delay, RetryAt: now.Add(delay)}}
	var refused *runtime.PullError
	if errors.As(err, &refused) && refused.Reason != "" {
		out.Reason = refused.Reason
	}
	return out
}

// Waiting is what a container reports whose image this is; nil where no pull of it has failed. A pull that was refused
// without asking a registry keeps its reason; one that a registry refused is ErrImagePull first, and ImagePullBackOff from
// BacksOffAt on.
func (p Pull) Waiting(now time.Time) *corev1.ContainerStateWaiting {
	switch {
	case p.Reason == "" || p.Done:
		return nil
	case p.Reason != errImagePull || !p.Active && now.Before(p.BacksOffAt()):
		return &corev1.ContainerStateWaiting{Reason: p.Reason, Message: p.Message}
	}
	return &corev1.ContainerStateWaiting{Reason: imagePullBackOff,
		Message: fmt.Sprintf("Back-off pulling image %q: %s: %s", p.Image, errImagePull, p.Message)}
}

// BacksOffAt is when a failed pull is no longer reported as ErrImagePull.
func (p Pull) BacksOffAt() time.Time { return p.FailedAt.Add(errImagePullShown) }

// FailureEvents tell of a pull that has just failed.
func (p Pull) FailureEvents() []events.Event {
	first := events.Warning("Failed", "Failed to pull image %q: %s", p.Image, p.Message)
	if p.Reason != errImagePull {
		first = events.Warning(p.Reason, "%s", p.Message)
	}
	return []events.Event{first, events.Warning("Failed", "Error: %s", p.Reason)}
}

// WaitingEvents tell of a container that has begun to wait for this reason; none where the reason is not its image's back-off.
func WaitingEvents(reason, image string) []events.Event {
	if reason != imagePullBackOff {
		return nil
	}
	return []events.Event{events.Normal("BackOff", "Back-off pulling image %q", image),
		events.Warning("Failed", "Error: %s", imagePullBackOff)}
}

// WaitingSentence says for whom asks for the log of a container why it has not started: why it waits, in upstream's words.
func WaitingSentence(reason string) string {
	switch reason {
	case errImagePull:
		return "image can't be pulled"
	case imagePullBackOff:
		return "trying and failing to pull image"
	}
	return reason
}

// FullName is the image's name with the default registry and the default tag. A name that is none is a *runtime.PullError.
func FullName(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", &runtime.PullError{Reason: invalidImageName, Message: fmt.Sprintf(
			"Failed to apply default image tag %q: couldn't parse image name %q: %v", image, image, err)}
	}
	return reference.TagNameOnly(named).String(), nil
}

// NeverPulled is the error of an image that is not there and that its policy says never to pull.
func NeverPulled(image string) error {
	return &runtime.PullError{Reason: errImageNeverPull,
		Message: fmt.Sprintf("Container image %q is not present with pull policy of Never", image)}
}

// Policy is the container's imagePullPolicy, or upstream's default: Always for the tag latest, else IfNotPresent.
func Policy(c *corev1.Container) corev1.PullPolicy { return policy(c.ImagePullPolicy, c.Image) }

func policy(asked corev1.PullPolicy, image string) corev1.PullPolicy {
	if asked != "" {
		return asked
	}
	name, digest, _ := strings.Cut(image, "@")
	last := name[strings.LastIndexByte(name, '/')+1:]
	if _, tag, tagged := strings.Cut(last, ":"); digest == "" && (!tagged || tag == "latest") {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}
