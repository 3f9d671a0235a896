package probes

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Kind is what a probe decides about, spelled as the Events spell it.
type Kind string

// The kinds of probe.
const (
	Startup   Kind = "Startup"
	Readiness Kind = "Readiness"
	Liveness  Kind = "Liveness"
)

// Results are what the probes of one attempt at a container have shown.
type Results struct {
	// ID is the container that they are about; those of an earlier attempt count for nothing.
	ID                           string
	Startup, Readiness, Liveness Result
}

// Result is the verdict of one probe and the run of equal answers that leads to it. The zero value is a probe that
// has no verdict yet: not started, not ready, alive.
type Result struct {
	// Success and Failure say which verdict stands; at most one is true.
	Success, Failure bool
	// Successes and Failures count the newest answers of a kind in a row; at most one is not zero.
	Successes, Failures int32
	// Message is the newest failure.
	Message string
}

// After is the result after one more answer: the verdict changes when successThreshold or failureThreshold equal
// answers came in a row. https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
func (r Result) After(probe *corev1.Probe, failure error) Result {
	if failure == nil {
		r.Successes, r.Failures = r.Successes+1, 0
		if r.Successes >= atLeast(probe.SuccessThreshold, 1) {
			r.Success, r.Failure, r.Message = true, false, ""
		}
		return r
	}
	r.Successes, r.Failures, r.Message = 0, r.Failures+1, failure.Error()
	if r.Failures >= atLeast(probe.FailureThreshold, 3) {
		r.Success, r.Failure = false, true
	}
	return r
}

// Started says that the container has started: it has no startup probe, or that has succeeded.
func (r Results) Started(spec *corev1.Container) bool {
	return spec.StartupProbe == nil || r.Startup.Success
}

// Ready says that a running container takes requests: it has started, and has no readiness probe or that succeeds.
func (r Results) Ready(spec *corev1.Container) bool {
	return r.Started(spec) && (spec.ReadinessProbe == nil || r.Readiness.Success)
}

// Fatal says which probe demands a restart, and why; the failure is empty where none does.
func (r Results) Fatal() (Kind, string) {
	switch {
	case r.Startup.Failure:
		return Startup, fmt.Sprintf("startup probe failed %d times: %s", r.Startup.Failures, r.Startup.Message)
	case r.Liveness.Failure:
		return Liveness, fmt.Sprintf("liveness probe failed %d times: %s", r.Liveness.Failures, r.Liveness.Message)
	}
	return "", ""
}

// Of is the result of one kind of probe, for reading and writing.
func (r *Results) Of(kind Kind) *Result {
	switch kind {
	case Startup:
		return &r.Startup
	case Readiness:
		return &r.Readiness
	default:
		return &r.Liveness
	}
}

// Of is the container's probe of that kind, or nil.
func Of(spec *corev1.Container, kind Kind) *corev1.Probe {
	switch kind {
	case Startup:
		return spec.StartupProbe
	case Readiness:
		return spec.ReadinessProbe
	default:
		return spec.LivenessProbe
	}
}

// wait is how long after now a probe of a running container is due next; the first one after initialDelaySeconds.
// It is negative where the probe has nothing to do: the startup probe after its success, the others before it.
func wait(spec *corev1.Container, kind Kind, results Results, started, now time.Time) time.Duration {
	probe := Of(spec, kind)
	if kind == Startup && (results.Startup.Success || results.Startup.Failure) ||
		kind != Startup && !results.Started(spec) ||
		kind == Liveness && results.Liveness.Failure {
		return -1
	}
	period := time.Duration(atLeast(probe.PeriodSeconds, 10)) * time.Second
	if r := results.Of(kind); r.Successes+r.Failures > 0 {
		return period
	}
	return max(0, started.Add(time.Duration(probe.InitialDelaySeconds)*time.Second).Sub(now))
}

// atLeast is n, or the default that upstream's API gives where n was left out.
func atLeast(n, otherwise int32) int32 {
	if n <= 0 {
		return otherwise
	}
	return n
}

// Prober is a Runtime that answers some probes itself. Where handled is false the kubelet dials.
type Prober interface {
	Probe(ctx context.Context, id string, kind Kind, probe *corev1.Probe) (err error, handled bool)
}
