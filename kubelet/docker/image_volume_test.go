package docker

import (
	"context"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

// layered is an image of two layers: the second has changed a file of the first, and removed another.
func layered(t *testing.T) string {
	t.Helper()
	cli, name := dockertest.Engine(t), dockertest.Busybox(t)
	const tag = "minik.dev/test/layered:latest"
	made, err := cli.ContainerCreate(t.Context(), &container.Config{Image: name, Labels: map[string]string{dockertest.Label: "true"},
		Cmd: []string{"sh", "-c", "echo second > /data && mkdir /deep && echo below > /deep/file && rm /bin/sh"}}, nil, nil, nil, "")
	require.NoError(t, err)
	defer func() {
		require.NoError(t, cli.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true}))
	}()
	require.NoError(t, cli.ContainerStart(t.Context(), made.ID, container.StartOptions{}))
	ended, failed := cli.ContainerWait(t.Context(), made.ID, container.WaitConditionNotRunning)
	select {
	case end := <-ended:
		require.Zero(t, end.StatusCode)
	case err := <-failed:
		require.NoError(t, err)
	}
	_, err = cli.ContainerCommit(t.Context(), made.ID, container.CommitOptions{Reference: tag})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := cli.ImageRemove(context.WithoutCancel(t.Context()), tag, image.RemoveOptions{})
		require.NoError(t, err)
	})
	return tag
}

// A volume of type image has the files of the image as its last layer leaves them, nothing of the engine's own, and nobody writes
// to it. https://kubernetes.io/docs/concepts/storage/volumes/#image
func TestAnImageIsAVolume(t *testing.T) {
	tag := layered(t)
	cluster := newCluster(t)
	node := run(t, cluster.node("node-1", 1))
	pod := podNamed("web", dockertest.Busybox(t))
	pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: tag}}}}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	id, err := node.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: &pod.Spec.Containers[0], Image: tag,
		Policy: corev1.PullNever}, func() {})
	require.NoError(t, err)
	node.imageVolumes = map[string]string{"v": id}

	whole := runtime.Mount{ContainerPath: "/v", Volume: "v", ReadOnly: true}
	part := runtime.Mount{ContainerPath: "/p", Volume: "v", SubPath: "deep", ReadOnly: true}
	pod.Spec.Containers[0].Command = []string{"sh", "-c", "cat /v/data /p/file; ls -A /v /v/etc; [ -e /v/bin/sh ] || echo gone; touch /v/data 2>/dev/null || echo read-only"}
	out := node.output(pod, whole, part)
	require.Equal(t, "second\nbelow\n/v:\nbin\ndata\ndeep\ndev\netc\nproc\nroot\nsys\ntmp\nvar\n\n/v/etc:\ngroup\npasswd\n"+
		"gone\nread-only\n", out)

	node.end()
	node = run(t, cluster.node("node-1", 1)) // as after kill -9: what is there stays, whatever else it is filled with
	node.imageVolumes = map[string]string{"v": id}
	pod.Spec.Containers[0].Command = []string{"sh", "-c", "cat /v/data"}
	again := node.start(pod, 1, whole)
	node.ended(pod, again)
	require.Equal(t, "second\n", node.log(again))
	require.NoError(t, node.Remove(t.Context(), node.pod(pod.UID).Sandbox.ID))
	require.NoError(t, node.RemoveVolumes(t.Context(), pod.UID))
	require.Nil(t, node.pod(pod.UID))
}
