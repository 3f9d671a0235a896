package dockertest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
)

// Required is the environment variable that makes a missing engine a failure, by the value "require".
const Required = "MINIK_TEST_DOCKER"

// Label is on every image of tests.
const Label = "minik.dev/test"

// patience bounds one conversation with the engine.
const patience = 2 * time.Minute

// Engine is a client of the engine until the test ends.
func Engine(t testing.TB) *client.Client {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cli.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := cli.Ping(ctx); err != nil {
		skip(t, "no Docker engine answers: %v", err)
	}
	return cli
}

// skip ends a test that this machine has not got what it takes for: as a failure where that is required.
func skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(Required) == "require" {
		t.Fatalf(Required+"=require, but "+format, args...)
	}
	t.Skipf(format, args...)
}

// Alias lets the image be known under a second name until the test ends. A name that the engine knows already is left as
// it is, and means whatever it does there.
func Alias(t testing.TB, of, name string) {
	t.Helper()
	cli := Engine(t)
	if has(t, cli, name) {
		return
	}
	require.NoError(t, cli.ImageTag(t.Context(), of, name))
	t.Cleanup(func() { // before that of Engine closes the client
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if _, err := cli.ImageRemove(ctx, name, image.RemoveOptions{}); !errdefs.IsNotFound(err) {
			require.NoError(t, err)
		}
	})
}

// Absent makes sure that the engine knows no image of that name. What a killed test has left is removed; with an image of
// somebody else the test cannot run.
func Absent(t testing.TB, name string) {
	t.Helper()
	cli := Engine(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen, err := cli.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return
	}
	require.NoError(t, err, "looking for image %s", name)
	if seen.Config == nil || seen.Config.Labels[Label] == "" {
		skip(t, "this engine has an image %s, which is not this test's to remove", name)
	}
	_, err = cli.ImageRemove(ctx, name, image.RemoveOptions{})
	require.NoError(t, err)
}

// has says that the engine knows an image of that name.
func has(t testing.TB, cli *client.Client, name string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := cli.ImageInspect(ctx, name)
	if !errdefs.IsNotFound(err) {
		require.NoError(t, err, "looking for image %s", name)
	}
	return err == nil
}
