package kubelet

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// ProbeKind is what a probe decides about, spelled as the Events spell it.
type ProbeKind string

// The kinds of probe.
const (
	Startup   ProbeKind = "Startup"
	Readiness ProbeKind = "Readiness"
	Liveness  ProbeKind = "Liveness"
)

func (k ProbeKind) lower() string { return strings.ToLower(string(k)) }

// ProbeResults are what the probes of one attempt at a container have shown.
type ProbeResults struct {
	// ID is the container that they are about; those of an earlier attempt count for nothing.
	ID                           string
	Startup, Readiness, Liveness ProbeResult
}

// ProbeResult is the verdict of one probe and the run of equal answers that leads to it. The zero value is a probe that
// has no verdict yet: not started, not ready, alive.
type ProbeResult struct {
	// Success and Failure say which verdict stands; at most one is true.
	Success, Failure bool
	// Successes and Failures count the newest answers of a kind in a row; at most one is not zero.
	Successes, Failures int32
	// Message is the newest failure.
	Message string
}

// after is the result after one more answer: the verdict changes when successThreshold or failureThreshold equal
// answers came in a row. https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
func (r ProbeResult) after(probe *corev1.Probe, failure error) ProbeResult {
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

// probes are the results about the container's current attempt.
func (o Observed) probes(v view) ProbeResults {
	if results := o.Probes[v.spec.Name]; v.current != nil && results.ID == v.current.ID {
		return results
	}
	return ProbeResults{}
}

// started says that the container has started: it has no startup probe, or that has succeeded.
func (r ProbeResults) started(spec *corev1.Container) bool {
	return spec.StartupProbe == nil || r.Startup.Success
}

// ready says that a running container takes requests: it has started, and has no readiness probe or that succeeds.
func (r ProbeResults) ready(spec *corev1.Container) bool {
	return r.started(spec) && (spec.ReadinessProbe == nil || r.Readiness.Success)
}

// fatal says which probe demands a restart, and why; the failure is empty where none does.
func (r ProbeResults) fatal() (ProbeKind, string) {
	switch {
	case r.Startup.Failure:
		return Startup, fmt.Sprintf("startup probe failed %d times: %s", r.Startup.Failures, r.Startup.Message)
	case r.Liveness.Failure:
		return Liveness, fmt.Sprintf("liveness probe failed %d times: %s", r.Liveness.Failures, r.Liveness.Message)
	}
	return "", ""
}

// of is the result of one kind of probe, for reading and writing.
func (r *ProbeResults) of(kind ProbeKind) *ProbeResult {
	switch kind {
	case Startup:
		return &r.Startup
	case Readiness:
		return &r.Readiness
	default:
		return &r.Liveness
	}
}

// probeOf is the container's probe of that kind, or nil.
func probeOf(spec *corev1.Container, kind ProbeKind) *corev1.Probe {
	switch kind {
	case Startup:
		return spec.StartupProbe
	case Readiness:
		return spec.ReadinessProbe
	default:
		return spec.LivenessProbe
	}
}

// probeWait is how long after now a probe of a running container is due next; the first one after initialDelaySeconds.
// It is negative where the probe has nothing to do: the startup probe after its success, the others before it.
func probeWait(spec *corev1.Container, kind ProbeKind, results ProbeResults, started, now time.Time) time.Duration {
	probe := probeOf(spec, kind)
	if kind == Startup && (results.Startup.Success || results.Startup.Failure) ||
		kind != Startup && !results.started(spec) ||
		kind == Liveness && results.Liveness.Failure {
		return -1
	}
	period := time.Duration(atLeast(probe.PeriodSeconds, 10)) * time.Second
	if r := results.of(kind); r.Successes+r.Failures > 0 {
		return period
	}
	return max(0, started.Add(time.Duration(probe.InitialDelaySeconds)*time.Second).Sub(now))
}

// probeGrace is what a container that failed a probe is given to end.
func probeGrace(pod *corev1.Pod, spec *corev1.Container, kind ProbeKind) time.Duration {
	if probe := probeOf(spec, kind); probe != nil && probe.TerminationGracePeriodSeconds != nil {
		return max(time.Duration(*probe.TerminationGracePeriodSeconds)*time.Second, time.Second)
	}
	return podGrace(pod)
}

// podGrace is what one container of a pod that goes on is given to end: the pod's own grace, and at least a second.
func podGrace(pod *corev1.Pod) time.Duration {
	seconds := int64(30)
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		seconds = *s
	}
	return max(time.Duration(seconds)*time.Second, time.Second)
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
	Probe(ctx context.Context, id string, kind ProbeKind, probe *corev1.Probe) (err error, handled bool)
}
