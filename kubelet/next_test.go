package kubelet

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
)

// A pod is looked at again when the first of its back-offs is over, also where another container's turn comes later: its status
// no longer says that it backs off.
func TestAWaitEndsWithTheFirstBackOff(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "u1"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyAlways,
			InitContainers: []corev1.Container{
				{Name: "proxy", Image: "i", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}, {Name: "migrate", Image: "i"}},
			Containers: []corev1.Container{{Name: "web", Image: "i"}},
		},
	}
	failed := func(name string) runtime.Container {
		return runtime.Container{ID: "id-of-" + name, Name: name, Image: "i", State: runtime.Exited, ExitCode: 1, StartedAt: now, FinishedAt: now}
	}
	o := Observed{
		Runtime: runtime.Pod{Sandbox: runtime.Sandbox{ID: "s", Ready: true}, Containers: []runtime.Container{failed("proxy"), failed("migrate")}},
		Volumes: backoff.Try{Done: true},
		BackOffs: map[string]backoff.BackOff{
			"proxy": {Delay: 20 * time.Second, Updated: now}, "migrate": {Delay: 10 * time.Second, Updated: now}},
	}
	a := Next(pod, o, now.Add(time.Second))
	require.Equal(t, Wait, a.Kind, a.Reason)
	require.Contains(t, a.Reason, "init container proxy (1 of 2): container proxy: back-off 20s restarting")
	require.Equal(t, now.Add(10*time.Second), a.Until)
	a = Next(pod, o, now.Add(11*time.Second))
	require.Equal(t, now.Add(20*time.Second), a.Until)
}

// The image of a container may fail to be pulled before a sidecar ends: the end of ErrImagePull is still looked for.
func TestAWaitForASidecarEndsWithWhatAContainerShows(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "u1"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyAlways,
			InitContainers: []corev1.Container{
				{Name: "proxy", Image: "i", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}},
			Containers: []corev1.Container{{Name: "web", Image: "nobody-has-it"}},
		},
	}
	failed := images.Pull{Image: "nobody-has-it"}.Failed(errors.New("not found"), now)
	o := Observed{
		Runtime: runtime.Pod{Sandbox: runtime.Sandbox{ID: "s", Ready: true}, Containers: []runtime.Container{
			{ID: "p", Name: "proxy", Image: "i", State: runtime.Exited, ExitCode: 1, StartedAt: now, FinishedAt: now.Add(time.Second)}}},
		Volumes:  backoff.Try{Done: true},
		Pulls:    map[string]images.Pull{"web": failed},
		BackOffs: map[string]backoff.BackOff{"proxy": {Delay: 20 * time.Second, Updated: now}},
	}
	shows := func(at time.Time) string {
		return PodStatus(pod, o, nil, at).ContainerStatuses[0].State.Waiting.Reason
	}
	seen := now.Add(time.Second)
	require.Equal(t, "ErrImagePull", shows(seen))
	a := Next(pod, o, seen)
	require.Equal(t, Wait, a.Kind, a.Reason)
	require.Contains(t, a.Reason, "container proxy: back-off 20s restarting")
	require.Equal(t, failed.BacksOffAt(), a.Until)
	require.Equal(t, "ImagePullBackOff", shows(a.Until))
}
