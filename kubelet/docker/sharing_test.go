package docker

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

// running is a runtime that runs until it is stopped, or the test ends.
func running(t *testing.T, r *Runtime) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, func(types.UID) {}) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return stop
}

// startPod starts a sandbox with an emptyDir, and one container.
func startPod(t *testing.T, r *Runtime, name, image string) (pod *corev1.Pod, id string) {
	pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec: corev1.PodSpec{
			Volumes:    []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Containers: []corev1.Container{{Name: "c", Image: image}},
		}}
	require.NoError(t, r.StartSandbox(t.Context(), pod, 0))
	c := &pod.Spec.Containers[0]
	imageID, err := r.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: c, Image: c.Image, Policy: corev1.PullNever}, func() {})
	require.NoError(t, err)
	id, err = r.StartContainer(t.Context(), runtime.ContainerConfig{Pod: pod, Container: c, ImageID: imageID,
		Args:   []string{"stat", "/scratch", "sleep", "1h"},
		Mounts: []runtime.Mount{{ContainerPath: "/scratch", Volume: "scratch"}}})
	require.NoError(t, err)
	return pod, id
}

func podsOf(t *testing.T, r *Runtime) []runtime.Pod {
	pods, err := r.Pods(t.Context())
	require.NoError(t, err)
	return pods
}

// A runtime that comes after one that was killed finds what runs, and its address is given to nobody else.
func TestARuntimeFindsItsContainersAgain(t *testing.T) {
	image := dockertest.Tool(t)
	cluster := newCluster(t)
	first := cluster.node("node-1", 1)
	stop := running(t, first)
	pod, id := startPod(t, first, "web", image)
	before := podsOf(t, first)
	stop()
	second := cluster.node("node-1", 1)
	running(t, second)
	require.Equal(t, before, podsOf(t, second))
	require.Equal(t, []string{"scratch"}, podsOf(t, second)[0].Volumes)
	require.Error(t, second.StartSandbox(t.Context(), pod, 1))
	other, _ := startPod(t, second, "other", image)
	found, err := second.Pods(t.Context(), other.UID)
	require.NoError(t, err)
	require.NotEqual(t, before[0].Sandbox.IPs, found[0].Sandbox.IPs)
	c, ok := second.lookup(id)
	require.True(t, ok && c.alive())
}

// Volumes outlive the sandbox, and go when they are told to.
func TestVolumesOutliveTheSandbox(t *testing.T) {
	image := dockertest.Tool(t)
	r := newCluster(t).node("node-1", 1)
	running(t, r)
	pod, _ := startPod(t, r, "web", image)
	require.NoError(t, r.Remove(t.Context(), podsOf(t, r)[0].Sandbox.ID))
	left := podsOf(t, r)
	require.Len(t, left, 1)
	require.Empty(t, left[0].Sandbox.ID)
	require.Equal(t, []string{"scratch"}, left[0].Volumes)
	require.NoError(t, r.RemoveVolumes(t.Context(), pod.UID))
	require.Empty(t, podsOf(t, r))
}

// What is another node's or another cluster's is neither seen nor touched.
func TestNodesAndClustersShareAnEngine(t *testing.T) {
	image := dockertest.Tool(t)
	one, two := newCluster(t), newCluster(t)
	a, b, c := one.node("node-1", 1), one.node("node-2", 2), two.node("node-1", 1)
	for _, r := range []*Runtime{a, b, c} {
		running(t, r)
		startPod(t, r, "web-"+r.options.Cluster+r.options.Node, image)
	}
	for _, r := range []*Runtime{a, b, c} {
		require.Len(t, podsOf(t, r), 1)
		require.True(t, r.options.PodCIDR.Contains(address(t, podsOf(t, r)[0])))
	}
	require.NoError(t, one.engine.RemoveCluster(t.Context(), one.id))
	require.True(t, podsOf(t, c)[0].Sandbox.Ready)
	count, err := one.engine.Containers(t.Context(), one.id)
	require.NoError(t, err)
	require.Zero(t, count)
}

func address(t *testing.T, pod runtime.Pod) netip.Addr {
	require.Len(t, pod.Sandbox.IPs, 1)
	return netip.MustParseAddr(pod.Sandbox.IPs[0])
}

// https://kubernetes.io/docs/concepts/workloads/pods/#pod-networking: a pod on the node's network has the node's address.
func TestAHostNetworkPodHasTheNodesAddress(t *testing.T) {
	image := dockertest.Tool(t)
	cluster := newCluster(t)
	node := run(t, cluster.node("node-1", 1))
	pod := podNamed("web", image, "wait")
	pod.Spec.HostNetwork = true
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	ips := []string{node.options.NodeIP.String()}
	require.Equal(t, ips, node.pod(pod.UID).Sandbox.IPs)
	node.end()
	node = run(t, cluster.node("node-1", 1)) // as after kill -9
	require.Equal(t, ips, node.pod(pod.UID).Sandbox.IPs)
	require.NoError(t, node.Stop(t.Context(), node.pod(pod.UID).Sandbox.ID, 0))
	eventually(t, func() bool { return !node.pod(pod.UID).Sandbox.Ready })
	require.Empty(t, node.pod(pod.UID).Sandbox.IPs)
}
