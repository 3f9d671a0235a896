package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// prefix is that of every annotation that the runtime reads.
const prefix = "sim.minik.dev/"

// behaviour is how a container behaves, as its pod's annotations say it. The table is in doc.go.
type behaviour struct {
	pullDelay, startDelay          *time.Duration
	pullError                      string
	imageSize                      *int64
	runFor                         *time.Duration
	exitCode                       int32
	failTimes                      *int32
	stopDelay                      time.Duration
	readinessAfter, unhealthyAfter *time.Duration
	startupAfter                   *time.Duration
	unready                        bool
	logLine                        string
	logInterval                    time.Duration
	ephemeral                      bool
}

// Defaults of doc.go's table; to pull and to start take between base and twice base and a half.
const (
	base        = 20 * time.Millisecond
	jitter      = 30 * time.Millisecond
	initRunsFor = 100 * time.Millisecond
	jobRunsFor  = time.Second
	imageSize   = 64 << 20 // bytes
)

// behaviourOf reads the annotations that are for the container: those for all first, then its own.
func behaviourOf(pod *corev1.Pod, c *corev1.Container) (behaviour, error) {
	b := behaviour{exitCode: -1}
	names := map[string]bool{}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, other := range list {
			names[other.Name] = true
		}
	}
	for _, other := range pod.Spec.EphemeralContainers {
		names[other.Name] = true
		b.ephemeral = b.ephemeral || other.Name == c.Name
	}
	failAfter := false
	for _, own := range []bool{false, true} {
		for annotation, value := range pod.Annotations {
			key, ok := strings.CutPrefix(annotation, prefix)
			if !ok {
				continue
			}
			name, rest, specific := strings.Cut(key, ".")
			if specific {
				key = rest
				if !names[name] {
					return b, fmt.Errorf("annotation %s: the pod has no container %q", annotation, name)
				}
			}
			if specific != own || (own && name != c.Name) || (!own && b.ephemeral) {
				continue
			}
			if err := b.set(key, value); err != nil {
				return b, fmt.Errorf("annotation %s: %w", annotation, err)
			}
			failAfter = failAfter || key == "fail-after"
		}
	}
	if b.exitCode < 0 {
		b.exitCode = 0
		if failAfter {
			b.exitCode = 1
		}
	}
	return b, nil
}

func (b *behaviour) set(key, value string) (err error) {
	switch key {
	case "pull-delay":
		b.pullDelay, err = duration(value)
	case "pull-error":
		b.pullError = value
	case "image-size":
		b.imageSize, err = size(value)
	case "start-delay":
		b.startDelay, err = duration(value)
	case "run-for", "fail-after":
		b.runFor, err = duration(value)
	case "exit-code":
		b.exitCode, err = number(value, 255)
	case "fail-times":
		var n int32
		n, err = number(value, 1<<30)
		b.failTimes = &n
	case "stop-delay":
		var d *time.Duration
		if d, err = duration(value); err == nil {
			b.stopDelay = *d
		}
	case "readiness-after":
		b.readinessAfter, err = duration(value)
	case "unready":
		b.unready, err = strconv.ParseBool(value)
	case "unhealthy-after":
		b.unhealthyAfter, err = duration(value)
	case "startup-after":
		b.startupAfter, err = duration(value)
	case "log-line":
		b.logLine = value
	case "log-interval":
		var d *time.Duration
		if d, err = duration(value); err == nil {
			b.logInterval = max(*d, 10*time.Millisecond)
		}
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

func duration(s string) (*time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is negative", s)
	}
	return &d, err
}

func size(s string) (*int64, error) {
	q, err := resource.ParseQuantity(s)
	if err == nil && q.Sign() < 0 {
		err = fmt.Errorf("%q is negative", s)
	}
	bytes := q.Value()
	return &bytes, err
}

// size is that of the container's image.
func (b behaviour) size() int64 {
	if b.imageSize != nil {
		return *b.imageSize
	}
	return imageSize
}

func number(s string, most int64) (int32, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err == nil && (n < 0 || n > most) {
		err = fmt.Errorf("%q is not between 0 and %d", s, most)
	}
	return int32(n), err
}

// lifetime is how long an attempt at the container runs by itself; ok is false where it runs until it is stopped.
func (b behaviour) lifetime(pod *corev1.Pod, c *corev1.Container, attempt int32) (
	d time.Duration, code int32, ok bool) {
	if b.runFor != nil && (b.failTimes == nil || attempt < *b.failTimes) {
		return *b.runFor, b.exitCode, true
	}
	if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
		return 0, 0, false
	}
	if b.ephemeral {
		return 0, 0, false
	}
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == c.Name {
			return initRunsFor, b.plainCode(), true
		}
	}
	if pod.Spec.RestartPolicy == corev1.RestartPolicyNever || pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure {
		d, forever := runsFor(c)
		return d, b.plainCode(), !forever
	}
	return 0, 0, false
}

// plainCode is the code of a container that ends when its kind does: exit-code counts unless fail-times are over.
func (b behaviour) plainCode() int32 {
	if b.failTimes != nil {
		return 0
	}
	return b.exitCode
}
