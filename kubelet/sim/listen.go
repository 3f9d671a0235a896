package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/runtime"
)

// listen opens the container's ports; one that cannot be had ends the container, with the reason in its log. mu is
// held.
func (r *Runtime) listen(c *container) {
	if !r.options.Listen || !r.driven || len(c.ports) > 0 {
		return
	}
	for _, port := range c.portsToOpen() {
		for _, address := range r.bindings(c, port) {
			if err := r.open(c, port.Protocol, address); err != nil {
				message := fmt.Sprintf("listening on %s: %v", address, err)
				c.log.add(r.options.Clock.Now(), "%s", message)
				r.end(c, 1, message)
				return
			}
			c.log.add(r.options.Clock.Now(), "listening on %s", address)
		}
	}
}

// portsToOpen are the container's declared ports, those that its probes dial by number and those that its image is known
// for: a real container listens whether its ports are declared or not.
func (c *container) portsToOpen() []corev1.ContainerPort {
	var out []corev1.ContainerPort
	has := func(port int32, protocol corev1.Protocol) bool {
		return slices.ContainsFunc(out, func(p corev1.ContainerPort) bool {
			return p.ContainerPort == port && p.Protocol == protocol
		})
	}
	for _, port := range c.spec.Ports {
		if port.Protocol == "" {
			port.Protocol = corev1.ProtocolTCP
		}
		if !has(port.ContainerPort, port.Protocol) {
			out = append(out, port)
		}
	}
	for _, probe := range []*corev1.Probe{c.spec.StartupProbe, c.spec.ReadinessProbe, c.spec.LivenessProbe} {
		if port := probePort(probe); port.Type == intstr.Int && port.IntVal > 0 && !has(port.IntVal, corev1.ProtocolTCP) {
			out = append(out, corev1.ContainerPort{ContainerPort: port.IntVal, Protocol: corev1.ProtocolTCP})
		}
	}
	if port, ok := exposed(c.spec.Image); ok && len(c.spec.Ports) == 0 && !has(port, corev1.ProtocolTCP) {
		out = append(out, corev1.ContainerPort{ContainerPort: port, Protocol: corev1.ProtocolTCP})
	}
	return out
}

func probePort(probe *corev1.Probe) intstr.IntOrString {
	switch {
	case probe == nil:
		return intstr.IntOrString{}
	case probe.HTTPGet != nil:
		return probe.HTTPGet.Port
	case probe.TCPSocket != nil:
		return probe.TCPSocket.Port
	}
	return intstr.IntOrString{}
}

// bindings are the addresses to listen on for the port: the pod's, and the node's where it has a hostPort.
func (r *Runtime) bindings(c *container, port corev1.ContainerPort) []string {
	out := []string{r.options.Address(c.pod.sandbox.IPs[0], port.ContainerPort)}
	if port.HostPort > 0 && !c.pod.object.Spec.HostNetwork {
		if host, err := runtime.HostPortAddress(port, r.addresses.Node()); err == nil { // else it was refused before
			out = append(out, r.options.Address(host.String(), port.HostPort))
		}
	}
	return out
}

// open serves one address until the container's ports are closed.
func (r *Runtime) open(c *container, protocol corev1.Protocol, address string) error {
	switch protocol {
	case corev1.ProtocolTCP:
		listener, err := r.options.ListenTCP(address)
		if err != nil {
			return plain(err)
		}
		server := &http.Server{Handler: r.answers(c), ReadHeaderTimeout: 10 * time.Second}
		c.ports = append(c.ports, server)
		r.serving.Go(func() { _ = server.Serve(listener) })
	case corev1.ProtocolUDP:
		conn, err := r.options.ListenUDP(address)
		if err != nil {
			return plain(err)
		}
		c.ports = append(c.ports, conn)
		r.serving.Go(func() { echo(conn) })
	default:
		return fmt.Errorf("simulated containers speak TCP and UDP, not %s", protocol)
	}
	return nil
}

// plain is the system's own words without the address, which the message names already.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func (c *container) closePorts() {
	for _, port := range c.ports {
		_ = port.Close()
	}
	c.ports = nil
}

func echo(conn net.PacketConn) {
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(buffer[:n], from)
	}
}

// answers tells a visitor where the request has arrived.
func (r *Runtime) answers(c *container) http.Handler {
	pod := c.pod.object
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasPrefix(req.UserAgent(), "kube-probe/") {
			c.log.add(r.options.Clock.Now(), "%s %s from %s", req.Method, req.URL.RequestURI(), req.RemoteAddr)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if req.URL.Path == "/env" {
			for _, v := range c.env {
				_, _ = fmt.Fprintf(w, "%s=%s\n", v.Name, v.Value)
			}
			return
		}
		_, _ = fmt.Fprintf(w, "hostname: %s\nnamespace: %s\nnode: %s\ncontainer: %s\nimage: %s\npath: %s\n"+
			"request: %s %s from %s\n", pod.Name, pod.Namespace, r.options.Node, c.Name, c.Image, req.URL.Path, req.Method, req.Host, req.RemoteAddr)
	})
}

// Probe is probes.Prober's: what an annotation makes fail fails; exec and grpc are answered here, and so is all else
// where nothing listens.
func (r *Runtime) Probe(_ context.Context, id string, kind probes.Kind, probe *corev1.Probe) (error, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil || c.State != runtime.Running {
		return errors.New("container is not running"), true
	}
	ip := c.pod.sandbox.IPs[0]
	if c.fails(kind, r.options.Clock.Now().Sub(c.StartedAt)) {
		return failure(ip, probe), true
	}
	https := probe.HTTPGet != nil && probe.HTTPGet.Scheme == corev1.URISchemeHTTPS
	return nil, !r.options.Listen || https || (probe.HTTPGet == nil && probe.TCPSocket == nil)
}

// fails says whether the container, up for so long, shall fail a probe of that kind.
func (c *container) fails(kind probes.Kind, up time.Duration) bool {
	well, turns := c.behaviour.answers(kind)
	if turns != nil && up >= *turns {
		well = !well
	}
	return !well
}

// answers are how the container answers probes of that kind from its start on, and after which time it answers the opposite;
// nil where it never does.
func (b behaviour) answers(kind probes.Kind) (well bool, turns *time.Duration) {
	switch kind {
	case probes.Readiness:
		if b.unready {
			return false, nil
		}
		return b.readinessAfter == nil, b.readinessAfter
	case probes.Startup:
		return b.startupAfter == nil, b.startupAfter
	default:
		return true, b.unhealthyAfter
	}
}

// failure is how a failing container answers, in the words of a real probe.
func failure(ip string, probe *corev1.Probe) error {
	switch {
	case probe.HTTPGet != nil:
		return errors.New("HTTP probe failed with statuscode: 500")
	case probe.TCPSocket != nil:
		port := probe.TCPSocket.Port
		return fmt.Errorf("dial tcp %s: connect: connection refused", net.JoinHostPort(ip, port.String()))
	case probe.GRPC != nil:
		return errors.New(`service unhealthy (responded with "NOT_SERVING")`)
	}
	return errors.New("command terminated with exit code 1 (simulated)")
}
