package probes

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// commands is an Executor whose commands do what their first word says.
type commands struct{}

func (commands) Exec(ctx context.Context, _ string, command []string, s runtime.Streams) (int32, error) {
	switch command[0] {
	case "hangs":
		<-ctx.Done()
		return 0, ctx.Err()
	case "missing":
		return 0, errors.New("executable file not found in $PATH")
	case "talks":
		_, _ = io.WriteString(s.Stdout, strings.Repeat("x", 3*longestOutput))
		return 1, nil
	case "fails":
		_, _ = io.WriteString(s.Stderr, "no lock\n")
		return 1, nil
	}
	return 0, nil
}

func (commands) Attach(context.Context, string, runtime.Streams) error {
	return errors.New("not asked for")
}

func TestProbeByCommand(t *testing.T) {
	probe := func(command ...string) error {
		return probeCommand(t.Context(), commands{}, "id", &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			Exec: &corev1.ExecAction{Command: command}}})
	}
	require.NoError(t, probe("succeeds"))
	require.EqualError(t, probe("fails"), "no lock\n")
	require.ErrorContains(t, probe("missing"), "executable file not found")
	require.EqualError(t, probe("hangs", "on"), `command timed out: "hangs on" timed out after 1s`)
	require.Equal(t, longestOutput, len(probe("talks").Error()))
}

// The words are those of upstream's pkg/probe/grpc.
func TestProbeByGRPC(t *testing.T) {
	healthy := health.NewServer()
	healthy.SetServingStatus("stuck", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	port := serveGRPC(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, healthy) })
	probe := func(port int32, service *string) error {
		return Dialer{(&net.Dialer{}).DialContext}.probe(t.Context(), "127.0.0.1", &corev1.Container{},
			&corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: port, Service: service}}})
	}
	stuck, unknown := "stuck", "unknown"
	require.NoError(t, probe(port, nil))
	require.EqualError(t, probe(port, &stuck), `service unhealthy (responded with "NOT_SERVING")`)
	require.ErrorContains(t, probe(port, &unknown), "error: health rpc probe failed")
	require.ErrorContains(t, probe(serveGRPC(t, func(*grpc.Server) {}), nil), "does not implement the grpc health protocol")
	require.ErrorContains(t, probe(1, nil), `timeout: failed to connect service "127.0.0.1:1" within 1s`)
}

// serveGRPC serves on a free port until the test ends.
func serveGRPC(t *testing.T, register func(*grpc.Server)) int32 {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return int32(listener.Addr().(*net.TCPAddr).Port)
}
