package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"minik.dev/scenario"
	"sigs.k8s.io/yaml"
)

// TestScenarios plays the files in testdata. Each is prose, a pod, and blocks of commands, a line each, with what the
// fleet does until the pod rests, or for as long as the command says:
//
//	passes 10s     time passes; every look is taken when it is due
//	delete 30      the pod is deleted with that many seconds of grace
//	power          the node loses its power and gets it back
//	restart        minik ends and starts again at once
//	image NAME     the first container's image is changed
//	debug NAME     an ephemeral container with that image is added, with the name debugger
func TestScenarios(t *testing.T) {
	scenario.Files(t, "testdata/*.txt", play)
}

// play runs a scenario and returns it with the results filled in.
func play(t *testing.T, text string) string {
	var out strings.Builder
	var m *model
	for i, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		if i > 0 {
			out.WriteString("\n")
		}
		commands, _, isBlock := strings.Cut(block+"\n", "----\n")
		out.WriteString(commands)
		if !isBlock {
			continue
		}
		out.WriteString("----\n")
		var lines []string
		for _, line := range strings.Split(strings.TrimRight(commands, "\n"), "\n") {
			if !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
		if spec, ok := strings.CutPrefix(strings.Join(lines, "\n"), "given\n"); ok {
			pod := &corev1.Pod{}
			require.NoError(t, yaml.UnmarshalStrict([]byte(spec), pod))
			m = newModel(pod)
			m.pass(time.Second)
		} else {
			for _, line := range lines {
				m.command(t, line)
			}
		}
		for _, line := range m.said {
			out.WriteString(line + "\n")
		}
		m.said = nil
	}
	return out.String()
}

// model is a pod, its node and an API server that takes every write, without loop or clock.
type model struct {
	pod        *corev1.Pod
	state      State
	begin, now time.Time
	next       time.Time
	deleted    bool
	said       []string
	writes     int
	ips        int // addresses given so far
}

func newModel(pod *corev1.Pod) *model {
	if pod.Name == "" {
		pod.Name = "web"
	}
	pod.Namespace, pod.UID, pod.Spec.NodeName = "default", "u1", "sim-1"
	begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	return &model{pod: pod, begin: begin, now: begin, next: begin}
}

func (m *model) command(t *testing.T, line string) {
	word, rest, _ := strings.Cut(line, " ")
	d := time.Duration(0)
	switch word {
	case "passes":
		var err error
		d, err = time.ParseDuration(rest)
		require.NoError(t, err)
	case "delete":
		var grace int64
		_, err := fmt.Sscan(rest, &grace)
		require.NoError(t, err)
		m.deleteNow(grace)
	case "power":
		m.state = State{}
	case "restart":
		m.state = Adopt(m.pod)
	case "image":
		m.pod.Spec.Containers[0].Image = rest
	case "debug":
		m.pod = m.pod.DeepCopy()
		m.pod.Spec.EphemeralContainers = append(m.pod.Spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger", Image: rest}})
	default:
		require.Fail(t, "no such command", line)
	}
	m.next = m.now
	m.pass(d)
}

func (m *model) deleteNow(grace int64) {
	at := metav1.NewTime(m.now.Add(time.Duration(grace) * time.Second))
	m.pod.DeletionTimestamp, m.pod.DeletionGracePeriodSeconds = &at, &grace
}

// pass takes every look that is due within d.
func (m *model) pass(d time.Duration) {
	until := m.now.Add(d)
	for !m.deleted && !m.next.IsZero() && !m.next.After(until) {
		if m.next.After(m.now) {
			m.now = m.next
		}
		m.look()
	}
	m.now = until
}

// look takes one look and carries it out, as pods.go does.
func (m *model) look() Step {
	var step Step
	m.state, step = Advance(m.pod, false, Place{HostIPs: []string{"10.129.0.1"}, IP: "10.129.0.2"}, m.state, m.now)
	for _, e := range step.Events {
		m.say("warns %s %s: %s", e.Container, e.Reason, e.Message)
	}
	if step.Report {
		m.writes++
		m.pod = m.pod.DeepCopy()
		m.pod.Status = step.Status
		m.say("reports %s", describe(m.pod.Status))
	}
	if step.Delete {
		m.deleted = true
		m.say("deletes the pod: %s", step.Reason)
	}
	m.next = step.Next
	return step
}

func (m *model) say(format string, args ...any) {
	m.said = append(m.said, fmt.Sprintf("%9s ", m.now.Sub(m.begin).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func describe(status corev1.PodStatus) string {
	ready := "not ready"
	for _, c := range status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			ready = "ready"
		}
	}
	out := fmt.Sprintf("%s %s", status.Phase, ready)
	if status.Reason != "" {
		out += " " + status.Reason
	}
	for _, c := range slices.Concat(status.InitContainerStatuses, status.ContainerStatuses,
		status.EphemeralContainerStatuses) {
		state := ""
		switch {
		case c.State.Running != nil:
			state = "running"
		case c.State.Terminated != nil:
			state = fmt.Sprintf("%s %d", c.State.Terminated.Reason, c.State.Terminated.ExitCode)
		case c.State.Waiting != nil:
			state = c.State.Waiting.Reason
		}
		out += fmt.Sprintf("; %s %s", c.Name, state)
		if c.RestartCount > 0 {
			out += fmt.Sprintf(" restarts %d", c.RestartCount)
		}
	}
	return out
}
