package kubelet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// A container that never ran, in a pod that had nothing to do before it, has ended with the pod.
func TestUnstartedContainersEndWithTheirPod(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	pod := &corev1.Pod{Spec: corev1.PodSpec{ActiveDeadlineSeconds: ptr.To[int64](60),
		Containers: []corev1.Container{{Name: "a", Image: "your-image"}}}}
	o := Observed{Last: corev1.PodStatus{StartTime: ptr.To(metav1.NewTime(now.Add(-time.Minute)))}}
	status := PodStatus(pod, o, nil, now)
	require.Equal(t, corev1.PodFailed, status.Phase)
	require.Equal(t, "DeadlineExceeded", status.Reason)
	ended := status.ContainerStatuses[0].State.Terminated
	require.NotNil(t, ended)
	require.Equal(t, "ContainerStatusUnknown", ended.Reason)
	require.Equal(t, int32(137), ended.ExitCode)

	o.Last = status
	require.Equal(t, status, PodStatus(pod, o, nil, now.Add(time.Hour)), "and stays so")
}
