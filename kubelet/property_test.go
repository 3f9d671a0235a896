package kubelet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/runtime"
)

// drawPod draws a pod of up to two init containers, one of them perhaps a sidecar, up to three containers, and up to two
// ephemeral ones.
func drawPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Spec.RestartPolicy = rapid.SampledFrom([]corev1.RestartPolicy{corev1.RestartPolicyAlways,
		corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}).Draw(t, "restartPolicy")
	pod.Spec.TerminationGracePeriodSeconds = ptr.To(rapid.Int64Range(1, 30).Draw(t, "grace"))
	for i := range rapid.IntRange(0, 2).Draw(t, "inits") {
		c := corev1.Container{Name: fmt.Sprintf("init-%d", i), Image: "i"}
		if rapid.Bool().Draw(t, "sidecar") {
			c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "containers") {
		c := corev1.Container{Name: fmt.Sprintf("main-%d", i), Image: "i"}
		if rapid.Bool().Draw(t, "liveness") {
			c.LivenessProbe = &corev1.Probe{FailureThreshold: 1}
		}
		if rapid.Bool().Draw(t, "restarts") && pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
			c.ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceMemory,
				RestartPolicy: corev1.RestartContainer}}
		}
		if rapid.Bool().Draw(t, "postStart") {
			c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}}
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "ephemerals") {
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: fmt.Sprintf("ephemeral-%d", i), Image: "i"}})
	}
	if rapid.Bool().Draw(t, "volumes") {
		pod.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}
	return pod
}

// disturb does one thing to the pod that can happen to it at any time.
func (m *model) disturb(t *rapid.T) {
	name := rapid.SampledFrom(m.names()).Draw(t, "container")
	c := m.current(name)
	switch rapid.SampledFrom([]string{"runs", "runs", "exits", "unhealthy", "hook", "passes", "passes", "pull", "sandbox",
		"kubelet", "power", "changes", "delete", "vanish", "lost", "resize", "resizes", "others"}).Draw(t, "what") {
	case "runs":
		if c != nil && c.State == runtime.Starting {
			c.State, c.StartedAt = runtime.Running, m.now
		}
	case "exits":
		m.exit(c, rapid.SampledFrom([]int32{0, 1}).Draw(t, "code"))
	case "unhealthy":
		if c != nil && c.State == runtime.Running && runtime.ContainerOf(m.pod, name).LivenessProbe != nil {
			m.o.Probes[name] = probes.Results{ID: c.ID, Liveness: probes.Result{Failure: true, Failures: 1, Message: "refused"}}
		}
	case "hook":
		if c != nil && m.o.Hooks[c.ID].Active {
			m.o.Hooks[c.ID] = Hook{Failure: rapid.SampledFrom([]string{"", "exited with 1"}).Draw(t, "failure")}
		}
	case "passes":
		m.pass(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
	case "pull":
		m.missing = rapid.SampledFrom([]string{"", "no such image"}).Draw(t, "image")
	case "sandbox":
		for i := range m.o.Runtime.Containers {
			m.exit(&m.o.Runtime.Containers[i], 137)
		}
		m.o.Runtime.Sandbox.Ready = false
	case "kubelet":
		m.forget()
	case "power":
		m.o.Runtime = runtime.Pod{Volumes: m.o.Runtime.Volumes}
		m.forget()
	case "resize":
		m.pod.Generation++
		runtime.ContainerOf(m.pod, name).Resources.Requests = corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(rapid.Int64Range(0, 5000).Draw(t, "cpu"), resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(rapid.Int64Range(0, 3).Draw(t, "memory"), resource.BinarySI),
		}
	case "resizes":
		m.noResize = rapid.SampledFrom([]string{"", "below current usage"}).Draw(t, "failure")
	case "others":
		m.o.Resize.Used = corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(
			rapid.Int64Range(0, 4000).Draw(t, "used"), resource.DecimalSI)}
	case "changes":
		m.o.Stale = m.o.Files
	case "lost": // someone removes a container behind the kubelet's back
		if c != nil {
			m.o.Runtime.Containers = slices.DeleteFunc(m.o.Runtime.Containers, func(o runtime.Container) bool { return o.ID == c.ID })
		}
	case "delete":
		if rapid.IntRange(0, 9).Draw(t, "deleted") == 0 {
			m.deleteNow(rapid.Int64Range(0, 30).Draw(t, "seconds"))
		}
	case "vanish":
		if rapid.IntRange(0, 19).Draw(t, "vanished") == 0 {
			m.o.Gone = true
		}
	}
}

func (m *model) deleteNow(period int64) {
	at := seconds(m.now.Add(time.Duration(period) * time.Second))
	m.pod.DeletionGracePeriodSeconds, m.pod.DeletionTimestamp = &period, at
}

func (m *model) exit(c *runtime.Container, code int32) {
	if c != nil && c.State != runtime.Exited {
		c.State, c.ExitCode, c.FinishedAt = runtime.Exited, code, m.now
	}
}

// pass lets time pass; containers whose grace is over are killed, as a runtime does.
func (m *model) pass(d time.Duration) {
	m.now = m.now.Add(d)
	for i := range m.o.Runtime.Containers {
		if c := &m.o.Runtime.Containers[i]; c.State != runtime.Exited {
			if by, asked := m.o.Stopping[c.ID]; asked && !by.After(m.now) {
				m.exit(c, 137)
			}
		}
	}
}

// Whatever happens to a pod, in whatever order: there are never two copies of a container, a restart count never goes
// down, what has finished never runs again, nor does an ephemeral container, and the pod always comes to rest where
// its spec wants it.
func TestPodsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(drawPod(t))
		restarts := map[string]int32{}
		for range rapid.IntRange(0, 40).Draw(t, "disturbances") {
			m.disturb(t)
			for range rapid.IntRange(0, 4).Draw(t, "steps") {
				finished := terminal(m.o.Last.Phase)
				a := m.step()
				for _, c := range m.o.Last.EphemeralContainerStatuses {
					require.False(t, a.Kind == StartContainer && a.Container.Name == c.Name && c.ContainerID != "",
						"an ephemeral container starts again: %v", a)
				}
				require.False(t, finished && a.Kind == StartContainer, "a finished pod starts %v", a)
				require.False(t, (m.o.Gone || m.pod.DeletionTimestamp != nil) && a.Kind == StartContainer, "%v", a)
				require.NotEmpty(t, a.Reason)
			}
			for _, c := range runtime.StatusesOf(m.o.Last) {
				require.GreaterOrEqual(t, c.RestartCount, restarts[c.Name], "the restarts of %s", c.Name)
				restarts[c.Name] = c.RestartCount
			}
			require.Empty(t, m.broken)
		}
		m.rest(t)
		require.Empty(t, m.broken)
		if m.deleted || m.o.Gone {
			require.False(t, m.o.Files || len(m.o.Runtime.Volumes) > 0, "the pod has left something on the node")
		}
	})
}

// rest lets the world be kind, containers start and init containers succeed, until the pod is as its spec wants it.
func (m *model) rest(t *rapid.T) {
	m.missing, m.noResize = "", ""
	for range 200 {
		m.settle()
		if m.deleted || m.settled() {
			return
		}
		for i := range m.o.Runtime.Containers {
			c := &m.o.Runtime.Containers[i]
			if m.o.Hooks[c.ID].Active {
				m.o.Hooks[c.ID] = Hook{}
			}
			if c.State == runtime.Starting {
				c.State, c.StartedAt = runtime.Running, m.now
			} else if spec := runtime.ContainerOf(m.pod, c.Name); c.State == runtime.Running && spec.RestartPolicy == nil && m.isInit(c.Name) {
				m.exit(c, 0)
			}
		}
		m.pass(time.Minute)
	}
	require.Fail(t, "the pod does not come to rest", "%s%+v", m.settle(), m.o)
}

func (m *model) isInit(name string) bool {
	return slices.ContainsFunc(m.pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == name })
}

// settled says that the pod is where it belongs: gone, finished, or with every container running that shall run.
func (m *model) settled() bool {
	if m.o.Gone {
		return m.o.Runtime.Sandbox.ID == ""
	}
	if terminal(m.o.Last.Phase) {
		return !m.o.Runtime.Sandbox.Ready
	}
	_, mains := views(m.pod, m.o)
	for _, v := range mains {
		if end := v.end(); !v.running() && (end == nil || v.restarts(m.pod, end)) {
			return false
		}
		if _, _, changes := m.o.Resize.Change(m.o.resizing(v)); v.running() && changes {
			return false
		}
	}
	return true
}

// A container that was asked to end keeps its grace: no later step shortens it unless the pod's own grace was
// shortened.
func TestGraceIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(&corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{Name: "a", Image: "i"}, {Name: "b", Image: "i"}}}})
		m.settle()
		for _, name := range m.names() {
			c := m.current(name)
			c.State, c.StartedAt = runtime.Running, m.now
		}
		grace := rapid.Int64Range(2, 60).Draw(t, "grace")
		m.deleteNow(grace)
		begin := m.now
		for range rapid.IntRange(1, 10).Draw(t, "looks") {
			m.pass(time.Duration(rapid.IntRange(0, 5).Draw(t, "passes")) * time.Second)
			if rapid.Bool().Draw(t, "again") {
				m.forget() // A kubelet that starts again asks again, and may only give more.
			}
			m.settle()
			for _, c := range m.o.Runtime.Containers {
				if c.State == runtime.Exited {
					require.GreaterOrEqual(t, c.FinishedAt.Sub(begin), time.Duration(grace)*time.Second)
				}
			}
			if m.deleted {
				return
			}
		}
	})
}
