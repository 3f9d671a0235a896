package sim

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/images"
	"minik.dev/kubelet/probes"
)

// Script is all that is known beforehand of one attempt at a container: doc.go's table, read for that attempt. It is
// for those who simulate without a Runtime, as kubelet/fleet does.
type Script struct {
	// PullDelay is how long an image takes.
	PullDelay time.Duration
	// StartDelay is the time from the start to running.
	StartDelay time.Duration
	// Ends says that the container ends by itself, RunsFor after it began to run, with ExitCode.
	Ends     bool
	RunsFor  time.Duration
	ExitCode int32
	// StopDelay is how long it takes to end when asked.
	StopDelay time.Duration

	behaviour behaviour
	known     []string
}

// ReadScript reads the pod's annotations for one attempt at its container. known are patterns of images that exist
// whatever their name; random gives a random duration from zero up to its argument. An error is what keeps the
// container from starting; the script is complete all the same, as if the pod had no annotations.
func ReadScript(pod *corev1.Pod, c *corev1.Container, attempt int32, known []string,
	random func(most time.Duration) time.Duration) (Script, error) {
	b, err := behaviourOf(pod, c)
	if err != nil {
		b = behaviour{}
	}
	s := Script{PullDelay: base + random(jitter), StartDelay: base + random(jitter), StopDelay: b.stopDelay, behaviour: b,
		known: known}
	if b.pullDelay != nil {
		s.PullDelay = *b.pullDelay
	}
	if b.startDelay != nil {
		s.StartDelay = *b.startDelay
	}
	s.RunsFor, s.ExitCode, s.Ends = b.lifetime(pod, c, attempt)
	return s, err
}

// Missing is why an image that the container needs cannot be had when it was pulled; nil where it can.
func (s Script) Missing(wanted images.Wanted) error {
	exists := named(s.known, wanted.Image)
	if wanted.Policy == corev1.PullNever && !exists {
		return images.NeverPulled(wanted.Image)
	}
	if why := s.behaviour.missing(wanted.Image, exists); why != "" {
		return pullFailure(why)
	}
	return nil
}

type pullFailure string

func (f pullFailure) Error() string { return string(f) }

// Answers are how the container answers probes of that kind from its start on, and after which time it answers the
// opposite; nil where it never does.
func (s Script) Answers(kind probes.Kind) (well bool, turns *time.Duration) {
	return s.behaviour.answers(kind)
}

// ProbeFailure is how a failing container answers, in the words of a real probe.
func ProbeFailure(ip string, probe *corev1.Probe) error { return failure(ip, probe) }

// Identify makes the ID of a simulated sandbox or container, the same each time for the same parts.
func Identify(parts ...any) string { return identify(parts...) }
