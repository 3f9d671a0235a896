package docker

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"minik.dev/kubelet/runtime"
)

// DialPod is runtime.PodDialer's. Where this process may enter the pod's network namespace, it connects to the pod's
// localhost; elsewhere to the pod's address, which a server that listens on localhost only does not have.
func (r *Runtime) DialPod(ctx context.Context, sandboxID string, port int32) (net.Conn, error) {
	c, ok := r.lookup(sandboxID)
	if !ok || !c.isSandbox() || !c.sandbox.Ready {
		return nil, fmt.Errorf("connecting to port %d of %s: %w", port, sandboxID, runtime.ErrNotFound)
	}
	text := strconv.Itoa(int(port))
	if strings.HasPrefix(r.engine.host, "unix://") { // the engine's processes are this machine's
		seen, err := r.engine.client.ContainerInspect(ctx, c.id)
		if err != nil {
			return nil, fmt.Errorf("looking at the sandbox %.12s: %w", c.id, err)
		}
		connection, err := dialInside(ctx, seen.State.Pid, text)
		if err == nil || !c.address.IsValid() {
			return connection, err
		}
		r.log.Debug("the pod is dialled from outside", "error", err)
	}
	if !c.address.IsValid() {
		return nil, fmt.Errorf("the pod is on the network of the engine's machine, which is not this one")
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", net.JoinHostPort(c.address.String(), text))
}
