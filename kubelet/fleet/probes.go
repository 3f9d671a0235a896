package fleet

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

// The probes of a fleet are not asked one by one. A container answers a probe well or badly from its start on, and
// turns at most once: so the one or two times at which the verdict changes follow from the probe's delay, period and
// thresholds.

// verdict is one change of a probe's verdict.
type verdict struct {
	at   time.Time
	well bool
}

// verdicts are the changes of a probe's verdict. begin is when the probe is asked first, turns when the answers
// become the opposite of well; zero for never.
func verdicts(probe *corev1.Probe, begin time.Time, well bool, turns time.Time) []verdict {
	period := time.Duration(atLeast(probe.PeriodSeconds, 10)) * time.Second
	after := func(asked int, well bool) verdict {
		n := atLeast(probe.FailureThreshold, 3)
		if well {
			n = atLeast(probe.SuccessThreshold, 1)
		}
		return verdict{begin.Add(time.Duration(asked+int(n)-1) * period), well}
	}
	if turns.IsZero() {
		return []verdict{after(0, well)}
	}
	asked := 0 // how often before it turns
	if turns.After(begin) {
		asked = int((turns.Sub(begin) + period - 1) / period)
	}
	second := after(asked, !well)
	first := after(0, well)
	if !first.at.Before(begin.Add(time.Duration(asked) * period)) {
		return []verdict{second} // it turned before the first verdict stood
	}
	return []verdict{first, second}
}

// probe notes what the probes have shown of a running container by now, and tells of new failures.
func (w *walk) probe(c *runtime.Container) {
	results, _ := w.results(c)
	if results == nil {
		return
	}
	if w.probes == nil {
		w.probes = map[string]probes.Results{}
	}
	w.probes[c.Name] = *results
}

// turnOf is when the verdict about a running container changes next.
func (w *walk) turnOf(c *runtime.Container) time.Time {
	_, next := w.results(c)
	return next
}

// results are what the probes have shown by now, nil for a container without probes, and when that changes.
func (w *walk) results(c *runtime.Container) (*probes.Results, time.Time) {
	spec := container(w.pod, c.Name)
	if spec == nil || spec.StartupProbe == nil && spec.ReadinessProbe == nil && spec.LivenessProbe == nil {
		return nil, time.Time{}
	}
	script, _ := w.script(spec, c.Attempt)
	out := &probes.Results{ID: c.ID}
	var next time.Time
	// The other probes begin when the startup probe has succeeded.
	began := c.StartedAt
	if spec.StartupProbe != nil {
		all := w.verdicts(script, probes.Startup, spec.StartupProbe, c.StartedAt, c.StartedAt)
		out.Startup = w.result(spec.StartupProbe, all[:1], &next) // its first verdict ends it
		if !out.Startup.Success {
			return out, next
		}
		began = all[0].at
	}
	if p := spec.ReadinessProbe; p != nil {
		out.Readiness = w.result(p, w.verdicts(script, probes.Readiness, p, c.StartedAt, began), &next)
	}
	if p := spec.LivenessProbe; p != nil {
		out.Liveness = w.result(p, w.verdicts(script, probes.Liveness, p, c.StartedAt, began), &next)
	}
	return out, next
}

func (w *walk) verdicts(s sim.Script, kind probes.Kind, p *corev1.Probe, started, began time.Time) []verdict {
	begin := started.Add(time.Duration(p.InitialDelaySeconds) * time.Second)
	if began.After(begin) {
		begin = began
	}
	well, after := s.Answers(kind)
	var turns time.Time
	if after != nil {
		turns = started.Add(*after)
	}
	return verdicts(p, begin, well, turns)
}

// result is the verdict that stands now; next becomes the time of the next one.
func (w *walk) result(p *corev1.Probe, all []verdict, next *time.Time) probes.Result {
	var out probes.Result
	for _, v := range all {
		if v.at.After(w.now) {
			*next = earlier(*next, v.at)
			break
		}
		out = probes.Result{Success: v.well, Failure: !v.well}
		if !v.well {
			out.Failures, out.Message = atLeast(p.FailureThreshold, 3), sim.ProbeFailure(w.place.IP, p).Error()
		}
	}
	return out
}

// unhealthy tells of the failures that were none before.
func (w *walk) unhealthy(before map[string]probes.Results) {
	for _, name := range slices.Sorted(maps.Keys(w.probes)) {
		now, was := w.probes[name], before[name]
		if was.ID != now.ID {
			was = probes.Results{}
		}
		for _, p := range []struct {
			kind     probes.Kind
			was, now probes.Result
		}{{probes.Startup, was.Startup, now.Startup}, {probes.Readiness, was.Readiness, now.Readiness},
			{probes.Liveness, was.Liveness, now.Liveness}} {
			if p.now.Failure && !p.was.Failure {
				w.event(name, "Unhealthy", fmt.Sprintf("%s probe failed: %s", p.kind, p.now.Message))
			}
		}
	}
}

// atLeast is n, or the default that upstream's API gives where n was left out.
func atLeast(n, otherwise int32) int32 {
	if n <= 0 {
		return otherwise
	}
	return n
}
