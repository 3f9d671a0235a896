package docker

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/stretchr/testify/require"

	"minik.dev/kubelet/docker/dockertest"
)

// An image of a program is made once, replaced where the program is another one, and kept while a container uses it.
func TestImportProgram(t *testing.T) {
	cli := dockertest.Engine(t)
	engine, err := Connect(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	name := fmt.Sprintf("minik.dev/test/import:%d", os.Getpid())
	remove := func(what string) {
		_, err := cli.ImageRemove(context.Background(), what, image.RemoveOptions{Force: true})
		require.True(t, err == nil || errdefs.IsNotFound(err), "%v", err)
	}
	t.Cleanup(func() { remove(name) })
	imported := func(program string, made bool) string {
		t.Helper()
		got, err := engine.ImportProgram(t.Context(), name, "program", []byte(program))
		require.NoError(t, err)
		require.Equal(t, made, got)
		seen, err := cli.ImageInspect(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, []string{"/program"}, []string(seen.Config.Entrypoint))
		return seen.ID
	}

	first := imported("one", true)
	require.Equal(t, first, imported("one", false))

	second := imported("two", true)
	_, err = cli.ImageInspect(t.Context(), first)
	require.True(t, errdefs.IsNotFound(err), "the older one has no name any more, and nobody uses it")

	user, err := cli.ContainerCreate(t.Context(), &container.Config{Image: name}, nil, nil, nil, "")
	require.NoError(t, err)
	t.Cleanup(func() { remove(second) })
	t.Cleanup(func() {
		require.NoError(t, cli.ContainerRemove(context.Background(), user.ID, container.RemoveOptions{Force: true}))
	})
	imported("three", true)
	_, err = cli.ImageInspect(t.Context(), second)
	require.NoError(t, err, "a container uses it")
}
