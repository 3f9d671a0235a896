package docker

import (
	"context"
	"io"
	goruntime "runtime"
	"testing"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

// An image that the engine has, and that is made for another machine, is refused by name before a container of it fails
// with "exec format error".
func TestImageForAnotherMachine(t *testing.T) {
	node := newCluster(t).node("node-1", 1)
	const name = "minik.dev/elsewhere:1"
	other := map[bool]string{true: "amd64", false: "arm64"}[goruntime.GOARCH == "arm64"]
	archive, err := tarOf(tarEntry{name: "Dockerfile", mode: 0o644, data: []byte("FROM scratch\nCOPY Dockerfile /main\n")})
	require.NoError(t, err)
	cli := dockertest.Engine(t)
	answer, err := cli.ImageBuild(t.Context(), archive, build.ImageBuildOptions{Tags: []string{name}, Platform: "linux/" + other, Remove: true,
		Labels: map[string]string{dockertest.Label: "test"}})
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	t.Cleanup(func() {
		_, err := cli.ImageRemove(context.WithoutCancel(t.Context()), name, image.RemoveOptions{})
		require.NoError(t, err)
	})

	for _, policy := range []corev1.PullPolicy{corev1.PullNever, corev1.PullIfNotPresent} {
		_, err = node.PullImage(t.Context(), runtime.PullRequest{Pod: podNamed("a", name), Policy: policy,
			Container: &corev1.Container{Name: "a", Image: name}, Image: name}, func() {})
		var refused *runtime.PullError
		require.ErrorAs(t, err, &refused, "policy %s", policy)
		require.Equal(t, "ErrImagePull", refused.Reason)
		require.ErrorContains(t, err, `is for linux/`+other+`, and this node is linux/`+goruntime.GOARCH)
	}
}
