package why

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The kubelet's next step is its own function's, on what the status says; where only the kubelet knows, its words stand.
func TestStepOf(t *testing.T) {
	now := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	sandbox := []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue, LastTransitionTime: now}}
	main := func(state corev1.ContainerState) corev1.PodStatus {
		started := state.Running != nil
		return corev1.PodStatus{Phase: corev1.PodRunning, Conditions: sandbox, StartTime: &now,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", Image: "web:1", ContainerID: "sim://1", State: state,
				Started: &started, Ready: started}}}
	}
	exited := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, StartedAt: now, FinishedAt: now}}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
	for _, c := range []struct {
		name, step, reason string
		status             corev1.PodStatus
		change             func(*corev1.Pod)
	}{
		{name: "nothing is there yet", step: "MountVolumes", reason: "pod has 0 volumes to mount"},
		{name: "the sandbox is there", step: "PullImage main", reason: "container main was never started",
			status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: sandbox}},
		{name: "all runs", step: "Wait", reason: "every container is as the spec asks", status: main(running)},
		{name: "the image changed", step: "StopContainer main", reason: `container main runs image "web:1" and its spec asks for "web:2"`,
			status: main(running), change: func(p *corev1.Pod) { p.Spec.Containers[0].Image = "web:2" }},
		{name: "it ended and stays so", step: "StopSandbox", reason: "", status: main(exited),
			change: func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }},
		{name: "an image that is not there", step: "Wait", reason: `container main: ImagePullBackOff: Back-off pulling image "web:1"`,
			status: main(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff",
				Message: `Back-off pulling image "web:1"`}})},
		{name: "it is deleted", step: "StopContainer main", reason: "pod was deleted with a grace period of 30s", status: main(running),
			change: func(p *corev1.Pod) {
				grace := int64(30)
				p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &now, &grace
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "1", CreationTimestamp: now},
				Spec: corev1.PodSpec{NodeName: "node-1", RestartPolicy: corev1.RestartPolicyAlways,
					Containers: []corev1.Container{{Name: "main", Image: "web:1"}}}, Status: c.status}
			if c.change != nil {
				c.change(pod)
			}
			got := stepOf(pod)
			require.Equal(t, "node-1", got.Node)
			require.Equal(t, c.step, got.Step, got.Reason)
			require.Contains(t, got.Reason, c.reason)
			require.NotEmpty(t, got.Unknown)
		})
	}
}
