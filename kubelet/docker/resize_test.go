package docker

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"minik.dev/kubelet/docker/dockertest"
)

// A resize is the engine's update of the running container; a memory limit below what is used is refused, and changes
// nothing.
func TestResize(t *testing.T) {
	tool := dockertest.Tool(t)
	cluster := newCluster(t)
	node := run(t, cluster.node("node-1", 1))
	pod := podNamed("web", tool, "say", "running", "wait")
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	id := node.start(pod, 0)
	node.awaitLog(id, "running")
	spec := pod.Spec.Containers[0].DeepCopy()
	spec.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m")}
	spec.Resources.Limits = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("400m"), corev1.ResourceMemory: resource.MustParse("256Mi"),
	}
	require.NoError(t, node.Resize(t.Context(), id, spec))
	seen, err := cluster.engine.client.ContainerInspect(t.Context(), engineID(id))
	require.NoError(t, err)
	require.EqualValues(t, 204, seen.HostConfig.CPUShares)
	require.EqualValues(t, 40_000, seen.HostConfig.CPUQuota)
	require.EqualValues(t, 256<<20, seen.HostConfig.Memory)
	require.EqualValues(t, 256<<20, seen.HostConfig.MemorySwap)
	require.Zero(t, seen.RestartCount)

	spec.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("4Ki")
	require.ErrorContains(t, node.Resize(t.Context(), id, spec),
		"attempting to set container memory limit (4096) below current usage (")
	seen, err = cluster.engine.client.ContainerInspect(t.Context(), engineID(id))
	require.NoError(t, err)
	require.EqualValues(t, 256<<20, seen.HostConfig.Memory)
	require.True(t, seen.State.Running)
}
