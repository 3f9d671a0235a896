package fleet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"minik.dev/kubelet/runtime"
)

// drawPod draws a pod with annotations that make it fail, end, wait and change its mind.
func drawPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Annotations = map[string]string{}
	pod.Spec.RestartPolicy = rapid.SampledFrom([]corev1.RestartPolicy{corev1.RestartPolicyAlways,
		corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}).Draw(t, "restartPolicy")
	probe := func(name string) *corev1.Probe {
		if !rapid.Bool().Draw(t, name) {
			return nil
		}
		return &corev1.Probe{PeriodSeconds: rapid.Int32Range(1, 5).Draw(t, "period"),
			InitialDelaySeconds: rapid.Int32Range(0, 5).Draw(t, "delay"), FailureThreshold: rapid.Int32Range(1, 3).Draw(t, "failures")}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "inits") {
		c := corev1.Container{Name: fmt.Sprintf("init-%d", i), Image: "i"}
		if rapid.Bool().Draw(t, "sidecar") {
			c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "containers") {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: fmt.Sprintf("main-%d", i), Image: "i",
			StartupProbe: probe("startup"), ReadinessProbe: probe("readiness"), LivenessProbe: probe("liveness")})
	}
	if rapid.IntRange(0, 4).Draw(t, "overdue") == 0 {
		pod.Spec.ActiveDeadlineSeconds = ptr.To(rapid.Int64Range(1, 60).Draw(t, "deadline"))
	}
	for _, key := range []string{"pull-delay", "start-delay", "run-for", "stop-delay", "readiness-after", "unhealthy-after",
		"startup-after"} {
		if rapid.IntRange(0, 2).Draw(t, key) == 0 {
			d := time.Duration(rapid.IntRange(0, 20000).Draw(t, "ms")) * time.Millisecond
			pod.Annotations["sim.minik.dev/"+key] = d.String()
		}
	}
	pod.Annotations["sim.minik.dev/exit-code"] = rapid.SampledFrom([]string{"0", "1"}).Draw(t, "code")
	pod.Annotations["sim.minik.dev/fail-times"] = rapid.SampledFrom([]string{"0", "1", "3"}).Draw(t, "times")
	if rapid.IntRange(0, 5).Draw(t, "missing") == 0 {
		pod.Annotations["sim.minik.dev/pull-error"] = "nobody has it"
	}
	return pod
}

// Whatever happens to a pod: no container runs twice at a time, a restart count never goes down, what has finished
// never runs again, a look changes nothing that it was given, and after a deletion the pod goes within its grace.
func TestPodsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(drawPod(t))
		restarts := map[string]int32{}
		finished := false
		for range rapid.IntRange(0, 30).Draw(t, "disturbances") {
			switch rapid.SampledFrom([]string{"passes", "passes", "passes", "power", "restart", "write"}).Draw(t, "what") {
			case "passes":
				m.pass(time.Duration(rapid.IntRange(0, 60000).Draw(t, "ms")) * time.Millisecond)
			case "power":
				m.state = State{}
			case "restart":
				m.state = Adopt(m.pod)
			case "write": // somebody else's, such as a label
				m.pod = m.pod.DeepCopy()
				m.pod.Labels = map[string]string{"seen": fmt.Sprint(m.now.Unix())}
			}
			m.next = m.now
			m.look()
			status := m.pod.Status
			require.False(t, finished && !ended(status.Phase), "a finished pod is %s", status.Phase)
			finished = ended(status.Phase)
			alive := map[string]int{}
			for _, c := range m.state.runtime.Containers {
				if c.State != runtime.Exited {
					alive[c.Name]++
				}
			}
			for name, n := range alive {
				require.Equal(t, 1, n, "%s runs more than once", name)
			}
			require.False(t, finished && len(alive) > 0, "%v", alive)
			for _, c := range slices.Concat(status.InitContainerStatuses, status.ContainerStatuses) {
				require.GreaterOrEqual(t, c.RestartCount, restarts[c.Name], c.Name)
				restarts[c.Name] = c.RestartCount
			}
		}
		m.deleteNow(30)
		m.next = m.now
		m.pass(3 * time.Minute) // sidecars get theirs one after the other
		require.True(t, m.deleted, "%+v", m.state.runtime)
	})
}

// A look that is not due changes nothing: Next names every moment at which a pod changes by itself.
func TestLooksInBetweenChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := drawPod(t)
		plain, watched := newModel(pod.DeepCopy()), newModel(pod.DeepCopy())
		for range 20 {
			d := time.Duration(rapid.IntRange(1, 20000).Draw(t, "ms")) * time.Millisecond
			plain.pass(d)
			watched.pass(d)
			if ended(plain.pod.Status.Phase) {
				return // how long ago its image failed may still show
			}
			due := watched.next
			before := watched.state
			step := watched.look()
			require.Empty(t, step.Events)
			require.Equal(t, due, watched.next)
			require.Equal(t, before.runtime, watched.state.runtime)
			require.Equal(t, plain.newest(), watched.newest())
		}
	})
}

// What was reported of a pod at rest is all that is needed to carry it on: a restart of minik writes nothing.
func TestARestartWritesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := drawPod(t)
		for _, key := range []string{"run-for", "unhealthy-after"} {
			delete(pod.Annotations, "sim.minik.dev/"+key) // back-offs are forgotten, as a kubelet's are
		}
		delete(pod.Annotations, "sim.minik.dev/pull-error")
		pod.Annotations["sim.minik.dev/exit-code"] = "0"
		pod.Spec.ActiveDeadlineSeconds = nil
		for i := range pod.Spec.Containers {
			pod.Spec.Containers[i].StartupProbe = nil
		}
		m := newModel(pod)
		m.pass(10 * time.Minute)
		if pod.Spec.RestartPolicy == corev1.RestartPolicyAlways {
			require.Equal(t, corev1.PodRunning, m.pod.Status.Phase)
		} else {
			require.Equal(t, corev1.PodSucceeded, m.pod.Status.Phase)
		}
		writes := m.writes
		m.state, m.next = Adopt(m.pod), m.now
		m.pass(time.Hour)
		require.Equal(t, writes, m.writes, "%v", m.said)
	})
}

// Advance changes nothing of what it is given, and says the same each time.
func TestAdvanceIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(drawPod(t))
		for range rapid.IntRange(0, 10).Draw(t, "looks") {
			m.pass(time.Duration(rapid.IntRange(1, 20000).Draw(t, "ms")) * time.Millisecond)
		}
		now := m.now.Add(time.Duration(rapid.IntRange(0, 20000).Draw(t, "ms")) * time.Millisecond)
		place := Place{HostIPs: []string{"10.129.0.1"}, IP: "10.129.0.2"}
		pod, state := m.pod.DeepCopy(), m.state.clone()
		_, first := Advance(m.pod, false, place, m.state, now)
		_, second := Advance(m.pod, false, place, m.state, now)
		require.Equal(t, first, second)
		require.Equal(t, pod, m.pod)
		require.Equal(t, state, m.state)
	})
}

// The closed form of a probe's verdicts is what asking one by one shows.
func TestVerdictsAreThoseOfAsking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		p := &corev1.Probe{PeriodSeconds: rapid.Int32Range(1, 7).Draw(t, "period"),
			SuccessThreshold: rapid.Int32Range(1, 4).Draw(t, "successes"), FailureThreshold: rapid.Int32Range(1, 4).Draw(t, "failures")}
		well := rapid.Bool().Draw(t, "well")
		var turns time.Time
		if rapid.Bool().Draw(t, "turns") {
			turns = begin.Add(time.Duration(rapid.IntRange(-5000, 40000).Draw(t, "ms")) * time.Millisecond)
		}
		var want []verdict
		successes, failures, stood := int32(0), int32(0), ""
		for i := range 20 {
			at := begin.Add(time.Duration(i) * time.Duration(p.PeriodSeconds) * time.Second)
			answer := well != (!turns.IsZero() && !at.Before(turns))
			if answer {
				successes, failures = successes+1, 0
			} else {
				successes, failures = 0, failures+1
			}
			now := stood
			if successes >= p.SuccessThreshold {
				now = "well"
			} else if failures >= p.FailureThreshold {
				now = "badly"
			}
			if now != stood {
				want = append(want, verdict{at, now == "well"})
			}
			stood = now
		}
		last := begin.Add(19 * time.Duration(p.PeriodSeconds) * time.Second)
		var got []verdict
		for _, v := range verdicts(p, begin, well, turns) {
			if !v.at.After(last) {
				got = append(got, v)
			}
		}
		require.Equal(t, want, got)
	})
}

// newest is the newest status computed.
func (m *model) newest() corev1.PodStatus {
	if m.state.last != nil {
		return *m.state.last
	}
	return m.pod.Status
}
