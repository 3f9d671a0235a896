package dockertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// run is what the image's program prints with these arguments, and its exit code.
func run(t *testing.T, image string, args ...string) (string, int64) {
	t.Helper()
	cli := Engine(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	made, err := cli.ContainerCreate(ctx, &container.Config{Image: image, Cmd: args, Labels: map[string]string{Label: "true"}},
		nil, nil, nil, "")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, cli.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true}))
	})
	ended, failed := cli.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	require.NoError(t, cli.ContainerStart(ctx, made.ID, container.StartOptions{}))
	var code int64
	select {
	case err := <-failed:
		require.NoError(t, err)
	case result := <-ended:
		code = result.StatusCode
	}
	logs, err := cli.ContainerLogs(ctx, made.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	require.NoError(t, err)
	defer logs.Close()
	var out bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &out, logs)
	require.NoError(t, err)
	return out.String(), code
}

func TestTool(t *testing.T) {
	out, code := run(t, Tool(t), "say", "here", "write", "/f", "text", "cat", "/f", "say", "", "stat", "/f", "exit", "7")
	require.Equal(t, "here\ntext\n-rw-r--r-- 0 0\n", out)
	require.EqualValues(t, 7, code)
}

func TestBusybox(t *testing.T) {
	out, code := run(t, Busybox(t), "sh", "-c", "echo one two | wc -w; nc 2>/dev/null; exit 3")
	require.Equal(t, "2\n", out)
	require.EqualValues(t, 3, code)
}

// The image of a program is made once: the second time it is found by its contents.
func TestProgramIsMadeOnce(t *testing.T) {
	const source = "package main\n\nfunc main() { println(\"made\") }\n"
	name := Program(t, "made", source)
	cli := Engine(t)
	first, err := cli.ImageInspect(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, "true", first.Config.Labels[Label])
	require.Equal(t, name, Program(t, "made", source))
	second, err := cli.ImageInspect(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, first.ID, second.ID)
	require.NotEqual(t, name, Program(t, "made", source+"\n"), "another source is another image")
	out, _ := run(t, name)
	require.Equal(t, "made\n", out)
}

// An alias ends with the test that made it; a name that was there before stays.
func TestAlias(t *testing.T) {
	tool, cli := Tool(t), Engine(t)
	name := fmt.Sprintf("minik.dev/test/alias:%d", os.Getpid())
	t.Run("made", func(t *testing.T) {
		Alias(t, tool, name)
		require.True(t, has(t, cli, name))
		t.Run("again", func(t *testing.T) { Alias(t, tool, name) })
		require.True(t, has(t, cli, name), "the second found it there")
	})
	require.False(t, has(t, cli, name))
	require.True(t, has(t, cli, tool))
}

// What the tool answers to gRPC's health protocol is what gRPC's own client understands. It needs no engine.
func TestToolSpeaksGRPC(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "tool")
	out, err := exec.Command("go", "build", "-o", tool, "./tool").CombinedOutput()
	require.NoError(t, err, "%s", out)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	free.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serve := exec.CommandContext(ctx, tool, "serve", address)
	serve.Stderr = os.Stderr
	stdout, err := serve.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, serve.Start())
	defer func() { _ = serve.Wait() }()
	defer func() { _ = serve.Process.Signal(os.Interrupt) }()
	_, err = io.ReadAtLeast(stdout, make([]byte, 64), len("serving"))
	require.NoError(t, err)

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	for _, service := range []string{"", "tool"} {
		answer, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service}, grpc.WaitForReady(true))
		require.NoError(t, err)
		require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, answer.Status)
	}
	_, err = client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "other"})
	require.Equal(t, codes.NotFound, status.Code(err))
	fail := exec.CommandContext(ctx, tool, "get", "http://"+address+"/fail")
	require.NoError(t, fail.Run())
	answer, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_NOT_SERVING, answer.Status)
}
