package probes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// longestOutput bounds what is kept of a command's output, in bytes, as upstream does for probes.
const longestOutput = 10 << 10

// bounded keeps the beginning of what is written to it. It embeds no buffer, whose other methods know no bound.
type bounded struct{ kept bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.kept.Write(p[:min(len(p), longestOutput-b.kept.Len())])
	return len(p), nil
}

// RunCommand runs a command in the container and returns what it printed, in part, and its exit code.
func RunCommand(ctx context.Context, executor runtime.Executor, id string, command []string) (string, int32, error) {
	var out bounded
	code, err := executor.Exec(ctx, id, command, runtime.Streams{Stdout: &out, Stderr: &out})
	return out.kept.String(), code, err
}

// probeCommand asks by a command: exit code 0 is a success.
func probeCommand(ctx context.Context, executor runtime.Executor, id string, probe *corev1.Probe) error {
	timeout := time.Duration(atLeast(probe.TimeoutSeconds, 1)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	output, code, err := RunCommand(ctx, executor, id, probe.Exec.Command)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("command timed out: %q timed out after %s", strings.Join(probe.Exec.Command, " "), timeout)
	case err != nil:
		return err
	case code != 0:
		return errors.New(output)
	}
	return nil
}

// grpc asks by gRPC's health protocol, in upstream's words.
func (d Dialer) grpc(ctx context.Context, podIP string, probe *corev1.Probe) error {
	timeout := time.Duration(atLeast(probe.TimeoutSeconds, 1)) * time.Second
	address := hostPort(podIP, probe.GRPC.Port)
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithContextDialer(
		func(ctx context.Context, address string) (net.Conn, error) { return d.Dial(ctx, "tcp", address) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent("kube-probe/1.37"))
	if err != nil {
		return fmt.Errorf("making a gRPC client for %s: %w", address, err)
	}
	defer func() { _ = connection.Close() }()
	service := ""
	if probe.GRPC.Service != nil {
		service = *probe.GRPC.Service
	}
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: service})
	switch status.Code(err) {
	case codes.OK:
	case codes.Unimplemented:
		return fmt.Errorf("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): %s",
			status.Convert(err).Message())
	case codes.DeadlineExceeded, codes.Unavailable:
		return fmt.Errorf("timeout: failed to connect service %q within %s: %w", address, timeout, err)
	default:
		return fmt.Errorf("error: health rpc probe failed: %w", err)
	}
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("service unhealthy (responded with %q)", answer.GetStatus().String())
	}
	return nil
}
