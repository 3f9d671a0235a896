package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
)

// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination, and
// podStrategy.CheckGracefulDelete
func TestGrace(t *testing.T) {
	sec := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		name string
		// spec is what the pod says, asked what the client says, earlier what an earlier deletion gave.
		spec, asked, earlier *int64
		node                 string
		phase                corev1.PodPhase
		want                 int64
	}{
		{name: "what the pod says", spec: sec(30), node: "node-1", want: 30},
		{name: "what the client says", spec: sec(30), asked: sec(5), node: "node-1", want: 5},
		{name: "more than the pod says", spec: sec(30), asked: sec(60), node: "node-1", want: 60},
		{name: "by force", spec: sec(30), asked: sec(0), node: "node-1", want: 0},
		{name: "a negative period is a second", spec: sec(30), asked: sec(-1), node: "node-1", want: 1},
		{name: "nobody runs it", spec: sec(30), asked: sec(60), want: 0},
		{name: "it has succeeded", spec: sec(30), node: "node-1", phase: corev1.PodSucceeded, want: 0},
		{name: "it has failed", spec: sec(30), node: "node-1", phase: corev1.PodFailed, want: 0},
		{name: "deleted again", spec: sec(30), earlier: sec(10), node: "node-1", want: 10},
		{name: "never longer", spec: sec(30), asked: sec(20), earlier: sec(10), node: "node-1", want: 10},
		{name: "shorter", spec: sec(30), asked: sec(3), earlier: sec(10), node: "node-1", want: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := &corev1.Pod{
				Spec:   corev1.PodSpec{NodeName: c.node, TerminationGracePeriodSeconds: c.spec},
				Status: corev1.PodStatus{Phase: c.phase},
			}
			if c.earlier != nil {
				pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &metav1.Time{Time: scenarioTime}, c.earlier
			}
			require.Equal(t, c.want, podGrace(pod, &metav1.DeleteOptions{GracePeriodSeconds: c.asked}))
			if c.asked == nil {
				require.Equal(t, c.want, podGrace(pod, nil))
			}
		})
	}
}

// TestStatusColumn: whatever the containers of a pod say, READY never counts more than there are, and STATUS says
// something.
func TestStatusColumn(t *testing.T) {
	state := rapid.Custom(func(t *rapid.T) corev1.ContainerState {
		reasons := []string{"", "Completed", "Error", "PodInitializing", "CrashLoopBackOff"}
		reason := rapid.SampledFrom(reasons).Draw(t, "reason")
		switch rapid.IntRange(0, 3).Draw(t, "state") {
		case 0:
			return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
		case 1:
			return corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		case 2:
			code := rapid.Int32Range(0, 2).Draw(t, "exit code")
			return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}}
		}
		return corev1.ContainerState{}
	})
	rapid.Check(t, func(t *rapid.T) {
		pod := &corev1.Pod{Status: corev1.PodStatus{
			Phase: rapid.SampledFrom([]corev1.PodPhase{"Pending", "Running", "Succeeded", "Failed"}).Draw(t, "phase"),
		}}
		for i := range rapid.IntRange(0, 3).Draw(t, "init containers") {
			c := corev1.Container{Name: string(rune('a' + i))}
			if rapid.Bool().Draw(t, "sidecar") {
				c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
			}
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
			pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, State: state.Draw(t, "state"), Ready: rapid.Bool().Draw(t, "ready"),
				Started: ptr.To(rapid.Bool().Draw(t, "started")),
			})
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "containers") {
			name := string(rune('k' + i))
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name})
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: name, State: state.Draw(t, "state"), Ready: rapid.Bool().Draw(t, "ready"),
				RestartCount: rapid.Int32Range(0, 3).Draw(t, "restarts"),
			})
		}
		s := summarize(pod)
		require.LessOrEqual(t, s.ready, s.total)
		require.NotEmpty(t, s.status)
		require.Len(t, podCells(pod, time.Time{}), len(podColumns()))
	})
}
