package kubelet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/runtime"
)

// The conditions of a pod for every combination of init containers, sidecars, containers and phases, by upstream's rules
// (pkg/kubelet/status/generate.go):
//
//   - Initialized: an init container counts when it has ended well, a sidecar when it has started; and all do once a container has
//     started after them. A pod that has succeeded has been initialized (PodCompleted).
//   - ContainersReady: sidecars count as the containers do, other init containers do not. A pod that has ended is not ready (PodCompleted,
//     PodFailed).
//   - Ready: as ContainersReady, and every readiness gate's condition is True.
func TestConditions(t *testing.T) {
	for _, c := range []struct {
		// containers are NAME:STATE. Names with an i are init containers, those with an s sidecars; states are waiting, running, done and
		// failed.
		containers string
		never      bool // the restart policy, else Always
		gate       string
		want       string // the conditions in short: what is false, and why
	}{
		// Containers alone.
		{containers: "web:waiting", want: "ContainersReady[web] Ready[web]"},
		{containers: "web:running", want: ""},
		{containers: "web:failed", want: "ContainersReady[web] Ready[web]"},
		{containers: "a:running b:waiting", want: "ContainersReady[b] Ready[b]"},
		// Init containers hold the pod back, and do not count for readiness.
		{containers: "i:waiting web:waiting", want: "Initialized[i] ContainersReady[web] Ready[web]"},
		{containers: "i:running web:waiting", want: "Initialized[i] ContainersReady[web] Ready[web]"},
		{containers: "i:failed web:waiting", want: "Initialized[i] ContainersReady[web] Ready[web]"},
		{containers: "i1:done i2:running web:waiting", want: "Initialized[i2] ContainersReady[web] Ready[web]"},
		{containers: "i:done web:waiting", want: "ContainersReady[web] Ready[web]"},
		{containers: "i:done web:running", want: ""},
		// Sidecars count for both, and hold back what has not begun alone.
		{containers: "s:waiting web:waiting", want: "Initialized[s] ContainersReady[s web] Ready[s web]"},
		{containers: "s:running web:waiting", want: "ContainersReady[web] Ready[web]"},
		{containers: "s:running web:running", want: ""},
		{containers: "s:failed web:running", want: "ContainersReady[s] Ready[s]"},
		{containers: "s:done web:running", want: "ContainersReady[s] Ready[s]"},
		{containers: "s:failed web:failed", want: "ContainersReady[s web] Ready[s web]"},
		{containers: "s:running i:running web:waiting", want: "Initialized[i] ContainersReady[web] Ready[web]"},
		{containers: "i:done s:running web:running", want: ""},
		{containers: "i:done s:failed web:running", want: "ContainersReady[s] Ready[s]"},
		// Pods that end.
		{containers: "web:done", never: true, want: "Initialized+PodCompleted ContainersReady+PodCompleted Ready+PodCompleted"},
		{containers: "i:done web:done", never: true, want: "Initialized+PodCompleted ContainersReady+PodCompleted Ready+PodCompleted"},
		{containers: "s:done web:done", never: true, want: "Initialized+PodCompleted ContainersReady+PodCompleted Ready+PodCompleted"},
		{containers: "web:failed", never: true, want: "ContainersReady+PodFailed Ready+PodFailed"},
		{containers: "i:failed web:waiting", never: true, want: "Initialized[i] ContainersReady+PodFailed Ready+PodFailed"},
		{containers: "i:done web:failed", never: true, want: "ContainersReady+PodFailed Ready+PodFailed"},
		{containers: "a:done b:running", never: true, want: "ContainersReady[a] Ready[a]"},
		// Readiness gates count once all containers are ready.
		{containers: "web:running", gate: "none", want: "Ready+ReadinessGatesNotReady"},
		{containers: "web:running", gate: "False", want: "Ready+ReadinessGatesNotReady"},
		{containers: "web:running", gate: "True", want: ""},
		{containers: "web:waiting", gate: "none", want: "ContainersReady[web] Ready[web]"},
	} {
		name := fmt.Sprintf("%s never=%v gate=%s", c.containers, c.never, c.gate)
		pod, o := podOf(c.containers, c.never, c.gate)
		require.Equal(t, c.want, conditionsOf(PodStatus(pod, o, nil, time.Unix(1000, 0))), name)
	}
}

// podOf is a pod with these containers, in these states.
func podOf(containers string, never bool, gate string) (*corev1.Pod, Observed) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways}}
	if never {
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	o := Observed{Runtime: runtime.Pod{Sandbox: runtime.Sandbox{ID: "box", Ready: true}}}
	for _, word := range strings.Fields(containers) {
		name, state, _ := strings.Cut(word, ":")
		spec := corev1.Container{Name: name}
		switch name[0] {
		case 's':
			spec.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, spec)
		case 'i':
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, spec)
		default:
			pod.Spec.Containers = append(pod.Spec.Containers, spec)
		}
		c := runtime.Container{ID: name, Name: name, StartedAt: time.Unix(1, 0)}
		switch state {
		case "waiting":
			continue
		case "running":
			c.State = runtime.Running
		case "failed":
			c.State, c.ExitCode, c.FinishedAt = runtime.Exited, 1, time.Unix(2, 0)
		case "done":
			c.State, c.FinishedAt = runtime.Exited, time.Unix(2, 0)
		}
		o.Runtime.Containers = append(o.Runtime.Containers, c)
	}
	if gate != "" {
		pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "gate"}}
	}
	if gate == "True" || gate == "False" {
		pod.Status.Conditions = []corev1.PodCondition{{Type: "gate", Status: corev1.ConditionStatus(gate)}}
	}
	return pod, o
}

// conditionsOf are the three conditions in short: TYPE[CONTAINERS] where containers make it false, TYPE+REASON where something else is
// to be said, nothing for one that is true.
func conditionsOf(status corev1.PodStatus) string {
	var out []string
	for _, kind := range []corev1.PodConditionType{corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		c := conditionOf(status.Conditions, kind)
		_, containers, named := strings.Cut(c.Message, " status: ")
		switch {
		case named:
			out = append(out, string(kind)+containers)
		case c.Reason != "":
			out = append(out, string(kind)+"+"+c.Reason)
		case c.Status != corev1.ConditionTrue:
			out = append(out, string(kind)+"?")
		}
	}
	return strings.Join(out, " ")
}
