package kubelet

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/resize"
	"minik.dev/kubelet/runtime"
	"minik.dev/scenario"
)

// TestScenarios plays the files in testdata/pod. Each is prose, a pod, and blocks of commands with what follows from
// them:
//
//	given
//	  <pod as YAML>
//	----
//	<the steps taken, each with its reason>
//
// The commands are those of model.command. After each block the pod takes steps until it waits.
func TestScenarios(t *testing.T) {
	scenario.Files(t, "testdata/pod/*.txt", play)
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
		} else {
			for _, line := range lines {
				out.WriteString(m.command(t, line))
			}
		}
		out.WriteString(m.settle())
	}
	return out.String()
}

// model is a pod, a runtime that does as it is told, and the memory that a session has, without loop or clock.
type model struct {
	pod     *corev1.Pod
	o       Observed
	begin   time.Time
	now     time.Time
	deleted bool // the API object is no more
	// missing is the error of every pull, or "".
	missing string
	// noResize is the error of every resize, or "".
	noResize string
	// broken lists what went wrong: two copies of one container at a time, a grace not kept.
	broken []string
	asked  map[string]time.Time // when a container was first to have ended, at the earliest, when killed
}

func newModel(pod *corev1.Pod) *model {
	if pod.Name == "" {
		pod.Name = "web"
	}
	pod.Namespace, pod.UID, pod.Spec.NodeName = "default", "u1", "node-1"
	begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	m := &model{pod: pod, begin: begin, now: begin, asked: map[string]time.Time{}}
	m.forget()
	return m
}

// forget is what a kubelet that starts again knows: nothing.
func (m *model) forget() {
	m.o = Observed{Runtime: m.o.Runtime, Last: m.o.Last, Gone: m.o.Gone, Files: m.o.Files, Stale: m.o.Files,
		Pulls: map[string]images.Pull{}, Starts: map[string]backoff.Try{},
		BackOffs: map[string]backoff.BackOff{}, Probes: map[string]probes.Results{}, Stopping: map[string]time.Time{},
		Hooks: map[string]Hook{}}
	m.o.Resize = &resize.State{Granted: map[string]corev1.ResourceRequirements{}, Tries: map[string]backoff.Try{},
		InForce: map[string]corev1.ResourceRequirements{}, Allocatable: withDefaults(nil)}
}

// settle takes steps until the pod waits, and tells them.
func (m *model) settle() string {
	var out strings.Builder
	for range 100 {
		a := m.step()
		out.WriteString(describe(a, m.now) + "\n")
		if a.Kind == Wait || a.Kind == DeletePod || a.Kind == Forget {
			return out.String()
		}
	}
	m.broken = append(m.broken, "the pod never waits")
	return out.String()
}

// step reports and takes one step, as worker.go does.
func (m *model) step() Action {
	m.pod.Status = PodStatus(m.pod, m.o, []string{"10.244.1.1"}, m.now)
	m.o.Last = m.pod.Status
	a := Next(m.pod, m.o, m.now)
	m.carryOut(a)
	return a
}

func (m *model) carryOut(a Action) {
	switch a.Kind {
	case MountVolumes:
		m.o.Volumes.Done, m.o.Stale = true, false
		m.o.Files = len(m.pod.Spec.Volumes) > 0
	case StartSandbox:
		m.o.Runtime.Sandbox = runtime.Sandbox{ID: "box@" + m.at(), Ready: true, IPs: []string{"10.244.1.2"}}
		m.keepVolumes()
	case PullImage:
		pull := m.o.pull(a.Image)
		if m.missing == "" {
			m.o.Pulls[a.Image.Key()] = images.Pull{Try: backoff.Try{Done: true}, Image: a.Image.Image, ImageID: "sim://image"}
			return
		}
		delay := backoff.Doubled(pull.Delay, backoff.Initial, backoff.Max)
		m.o.Pulls[a.Image.Key()] = images.Pull{FailedAt: m.now, Image: a.Image.Image,
			Try: backoff.Try{Reason: "ErrImagePull", Message: m.missing, Delay: delay, RetryAt: m.now.Add(delay)}}
	case StartContainer:
		m.start(a)
	case GrantResources, ResizeContainer:
		m.resize(a)
	case RunPostStart:
		m.o.Hooks[a.ID] = Hook{Active: true}
	case StopContainer:
		m.o.Stopping[a.ID] = m.now.Add(a.Grace)
		if _, ok := m.asked[a.ID]; !ok {
			m.asked[a.ID] = m.now
		}
	case StopSandbox:
		m.o.Runtime.Sandbox.Ready = false
	case Remove:
		if a.Container == nil {
			m.o.Runtime = runtime.Pod{Volumes: m.o.Runtime.Volumes}
			m.o.Volumes = backoff.Try{}
			m.o.Pulls, m.o.Starts, m.o.BackOffs = map[string]images.Pull{}, map[string]backoff.Try{}, map[string]backoff.BackOff{}
			return
		}
		m.o.Runtime.Containers = slices.DeleteFunc(m.o.Runtime.Containers, func(c runtime.Container) bool { return c.ID == a.ID })
	case RemoveVolumes:
		if m.o.Runtime.Sandbox.ID != "" {
			m.broken = append(m.broken, "volumes are removed under a sandbox")
		}
		m.o.Runtime.Volumes, m.o.Files = nil, false
	case DeletePod:
		m.deleted = true
	}
}

// resize grants resources, or brings them into force.
func (m *model) resize(a Action) {
	switch {
	case a.Kind == GrantResources:
		for _, c := range runtime.ContainersOf(m.pod) {
			m.o.Resize.Granted[c.Name] = *c.Resources.DeepCopy()
		}
		clear(m.o.Resize.Tries)
	case m.noResize != "":
		m.o.Resize.Tries[a.ID] = backoff.Try{Reason: corev1.PodReasonError, Message: m.noResize, RetryAt: m.now.Add(resize.Retry)}
	default:
		m.o.Resize.InForce[a.ID] = a.Container.Resources
	}
}

// keepVolumes is what a VolumeKeeper does for the pod's first sandbox.
func (m *model) keepVolumes() {
	m.o.Runtime.Volumes = nil
	for _, v := range m.pod.Spec.Volumes {
		if v.EmptyDir != nil {
			m.o.Runtime.Volumes = append(m.o.Runtime.Volumes, v.Name)
		}
	}
}

func (m *model) start(a Action) {
	name := a.Container.Name
	for _, c := range m.o.Runtime.Containers {
		if c.Name == name && c.State != runtime.Exited {
			m.broken = append(m.broken, fmt.Sprintf("attempt %d at %s starts beside attempt %d", a.Attempt, name, c.Attempt))
		}
		if c.Name == name && c.Attempt == a.Attempt-1 {
			m.o.BackOffs[name] = m.o.BackOffs[name].Restarted(c.FinishedAt, m.now)
		}
	}
	id := fmt.Sprintf("sim://%s-%d", name, a.Attempt)
	if l := a.Container.Lifecycle; l != nil && l.PostStart != nil {
		m.o.Hooks[id] = Hook{Pending: true}
	}
	m.o.Runtime.Containers = append(m.o.Runtime.Containers, runtime.Container{ID: id, Name: name,
		Attempt: a.Attempt, State: runtime.Starting, CreatedAt: m.now, Image: a.Container.Image, ImageID: "sim://image"})
	m.o.Resize.InForce[id] = a.Container.Resources
	delete(m.o.Pulls, name)
}

func (m *model) current(name string) *runtime.Container {
	var out *runtime.Container
	for i := range m.o.Runtime.Containers {
		if c := &m.o.Runtime.Containers[i]; c.Name == name && (out == nil || c.Attempt > out.Attempt) {
			out = c
		}
	}
	return out
}

func (m *model) at() string { return m.now.Sub(m.begin).String() }

// command changes the world: "runs NAME", "exits NAME CODE", "probe NAME KIND ok|MESSAGE", "hook NAME ok|MESSAGE"
// (its postStart hook is over), "passes DURATION", "images missing|there", "image NAME IMAGE", "debug NAME" (an ephemeral
// container is added), "sandbox dies", "kubelet restarts", "power cut", "volumes change", "deleted GRACE", "vanishes",
// "resize NAME RESOURCES", "others REQUESTS" (what the node's other pods have), "resizes fail|work"; or shows the "status".
func (m *model) command(t *testing.T, line string) string {
	words := strings.Fields(line)
	word := func(i int) string {
		require.Greater(t, len(words), i, "command %q", line)
		return words[i]
	}
	switch word(0) {
	case "runs":
		c := m.current(word(1))
		require.NotNil(t, c, line)
		c.State, c.StartedAt = runtime.Running, m.now
	case "exits":
		code, err := strconv.Atoi(word(2))
		require.NoError(t, err)
		c := m.current(word(1))
		require.NotNil(t, c, line)
		c.State, c.ExitCode, c.FinishedAt = runtime.Exited, int32(code), m.now
	case "probe":
		m.probe(t, word(1), probes.Kind(word(2)), strings.Join(words[3:], " "))
	case "hook":
		message := strings.TrimPrefix(strings.Join(words[2:], " "), "ok")
		require.True(t, m.o.Hooks[m.current(word(1)).ID].Active, line)
		m.o.Hooks[m.current(word(1)).ID] = Hook{Failure: message}
	case "passes":
		d, err := time.ParseDuration(word(1))
		require.NoError(t, err)
		m.now = m.now.Add(d)
	case "images":
		m.missing = map[string]string{"missing": "no such image", "there": ""}[word(1)]
	case "image":
		spec := runtime.ContainerOf(m.pod, word(1))
		require.NotNil(t, spec, line)
		spec.Image = word(2)
	case "debug":
		m.pod.Spec.EphemeralContainers = append(m.pod.Spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: word(1), Image: "busybox"}})
	case "sandbox":
		m.o.Runtime.Sandbox.Ready = false
		for i := range m.o.Runtime.Containers {
			if c := &m.o.Runtime.Containers[i]; c.State != runtime.Exited {
				c.State, c.ExitCode, c.FinishedAt = runtime.Exited, 137, m.now
			}
		}
	case "kubelet":
		m.forget()
	case "power":
		m.o.Runtime = runtime.Pod{Volumes: m.o.Runtime.Volumes}
		m.forget()
	case "volumes":
		m.o.Stale = true
	case "deleted":
		d, err := time.ParseDuration(word(1))
		require.NoError(t, err)
		seconds, at := int64(d.Seconds()), metav1.NewTime(m.now.Add(d))
		m.pod.DeletionGracePeriodSeconds, m.pod.DeletionTimestamp = &seconds, &at
	case "resize":
		spec := runtime.ContainerOf(m.pod, word(1))
		require.NotNil(t, spec, line)
		spec.Resources = corev1.ResourceRequirements{}
		require.NoError(t, yaml.UnmarshalStrict([]byte(strings.Join(words[2:], " ")), &spec.Resources))
		m.pod.Generation++
	case "resizes":
		m.noResize = map[string]string{"fail": "below current usage", "work": ""}[word(1)]
	case "others":
		m.o.Resize.Used = nil
		require.NoError(t, yaml.Unmarshal([]byte(strings.Join(words[1:], " ")), &m.o.Resize.Used))
	case "vanishes":
		m.o.Gone = true
	case "status":
		return m.status()
	default:
		require.Fail(t, "unknown command", line)
	}
	return ""
}

func (m *model) probe(t *testing.T, name string, kind probes.Kind, answer string) {
	spec := runtime.ContainerOf(m.pod, name)
	require.NotNil(t, spec)
	results := m.o.Probes[name]
	if id := m.current(name).ID; results.ID != id {
		results = probes.Results{ID: id}
	}
	var failure error
	if answer != "ok" {
		failure = fmt.Errorf("%s", answer)
	}
	*results.Of(kind) = results.Of(kind).After(probes.Of(spec, kind), failure)
	m.o.Probes[name] = results
}

// describe is a step as the scenarios show it.
func describe(a Action, now time.Time) string {
	parts := []string{string(a.Kind)}
	if a.Container != nil {
		parts = append(parts, a.Container.Name)
	}
	switch a.Kind {
	case StartContainer:
		parts = append(parts, fmt.Sprintf("attempt %d", a.Attempt))
	case StopContainer:
		parts = append(parts, fmt.Sprintf("within %s (%q)", a.Grace, a.Event))
	case Remove:
		parts = append(parts, a.ID)
	}
	if !a.Until.IsZero() {
		parts = append(parts, "for "+a.Until.Sub(now).String())
	}
	return strings.Join(parts, " ") + ": " + a.Reason
}

// status is the status as kubectl's reader would tell it.
func (m *model) status() string {
	s := PodStatus(m.pod, m.o, []string{"10.244.1.1"}, m.now)
	var out strings.Builder
	fmt.Fprintf(&out, "  phase %s, reason %q, message %q\n", s.Phase, s.Reason, s.Message)
	for _, c := range s.Conditions {
		fmt.Fprintf(&out, "  %s=%s", c.Type, c.Status)
		if c.Reason != "" {
			fmt.Fprintf(&out, " (%s: %s)", c.Reason, c.Message)
		}
		out.WriteString("\n")
	}
	for _, c := range runtime.StatusesOf(s) {
		fmt.Fprintf(&out, "  container %s: ready %t, started %t, restarts %d, %s", c.Name, c.Ready, ptr.Deref(c.Started, false),
			c.RestartCount, tell(c.State))
		if c.LastTerminationState.Terminated != nil {
			fmt.Fprintf(&out, ", last %s", tell(c.LastTerminationState))
		}
		if c.Resources != nil && c.AllocatedResources != nil {
			fmt.Fprintf(&out, ", has %s, allocated cpu %s, memory %s", resize.Shown(*c.Resources), c.AllocatedResources.Cpu(),
				c.AllocatedResources.Memory())
		}
		out.WriteString("\n")
	}
	return out.String()
}

func tell(s corev1.ContainerState) string {
	switch {
	case s.Running != nil:
		return "running since " + s.Running.StartedAt.UTC().Format(time.TimeOnly)
	case s.Terminated != nil:
		return fmt.Sprintf("terminated %s %d %s", s.Terminated.Reason, s.Terminated.ExitCode, s.Terminated.Message)
	case s.Waiting != nil:
		return fmt.Sprintf("waiting %s %q", s.Waiting.Reason, s.Waiting.Message)
	}
	return "?"
}

// names are the pod's containers in a fixed order, for drawing one.
func (m *model) names() []string {
	seen := map[string]bool{}
	for _, c := range runtime.ContainersOf(m.pod) {
		seen[c.Name] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
