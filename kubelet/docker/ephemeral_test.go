package docker

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

// A container with a target sees the target's processes, and one without sees its own only; both are on the pod's network.
func TestATargetsProcessesAreSeen(t *testing.T) {
	node, target := shell(t, func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Command = []string{"sh", "-c", "echo here; sleep 4321"}
	})
	pod := podNamed("web", dockertest.Busybox(t))
	debug := func(name, target string) string {
		pod.Spec.Containers[0].Name = name
		pod.Spec.Containers[0].Command = []string{"sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline; echo; hostname; sleep 1000"}
		c := &pod.Spec.Containers[0]
		image, err := node.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: c, Image: c.Image, Policy: corev1.PullNever}, func() {})
		require.NoError(t, err)
		id, err := node.StartContainer(t.Context(), runtime.ContainerConfig{Pod: pod, Container: c, ImageID: image,
			Target: target, Command: c.Command})
		require.NoError(t, err)
		node.awaitLog(id, "\nweb\n")
		return node.log(id)
	}
	require.Contains(t, debug("with", target), "sleep 4321")
	require.NotContains(t, debug("without", ""), "sleep 4321")
}
