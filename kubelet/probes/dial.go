package probes

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// maxProbeBody bounds what is read of the answer to a probe, in bytes.
const maxProbeBody = 10 << 10

// Dialer probes containers over the network.
type Dialer struct {
	// Dial connects to an address of the cluster.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// probe asks one container once; nil is a success. Its error is what the Event says.
func (d Dialer) probe(ctx context.Context, podIP string, c *corev1.Container, probe *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(atLeast(probe.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	switch {
	case probe.HTTPGet != nil:
		return d.HTTP(ctx, podIP, c, probe.HTTPGet)
	case probe.TCPSocket != nil:
		port, err := resolvePort(probe.TCPSocket.Port, c)
		if err != nil {
			return err
		}
		conn, err := d.Dial(ctx, "tcp", hostPort(cmp.Or(probe.TCPSocket.Host, podIP), port))
		if err != nil {
			return err
		}
		return conn.Close()
	case probe.GRPC != nil:
		return d.grpc(ctx, podIP, probe)
	}
	return errors.New("this runtime runs no commands, so it answers no probe by exec")
}

func hostPort(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// HTTP gets the probe's path. As upstream, any code from 200 to 399 is a success, a redirect to another host as well,
// and certificates are not verified.
func (d Dialer) HTTP(ctx context.Context, podIP string, c *corev1.Container, get *corev1.HTTPGetAction) error {
	port, err := resolvePort(get.Port, c)
	if err != nil {
		return err
	}
	host := cmp.Or(get.Host, podIP)
	target, err := url.Parse(get.Path)
	if err != nil {
		target = &url.URL{Path: get.Path}
	}
	target.Scheme = strings.ToLower(cmp.Or(string(get.Scheme), "http"))
	target.Host = hostPort(host, port)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "kube-probe/1.37")
	req.Header.Set("Accept", "*/*")
	for _, h := range get.HTTPHeaders {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
		}
		req.Header.Set(h.Name, h.Value)
	}
	client := &http.Client{
		Transport: &http.Transport{
			DialContext:       d.Dial,
			DisableKeepAlives: true,
			// A probe asks whether a container answers and not who it is; upstream's does the same.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if next.URL.Hostname() != host || len(via) >= 10 {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxProbeBody)); err != nil {
		return err
	}
	if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusBadRequest {
		return StatusError(resp.StatusCode)
	}
	return nil
}

// StatusError is an answer whose code says that something failed.
type StatusError int

func (e StatusError) Error() string {
	return fmt.Sprintf("HTTP probe failed with statuscode: %d", int(e))
}

// resolvePort is the port's number; a name is looked up among the container's ports.
func resolvePort(port intstr.IntOrString, c *corev1.Container) (int32, error) {
	if port.Type == intstr.Int {
		return port.IntVal, nil
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return p.ContainerPort, nil
		}
	}
	if n, err := strconv.ParseInt(port.StrVal, 10, 32); err == nil {
		return int32(n), nil
	}
	return 0, fmt.Errorf("couldn't find a port named %q in container %s", port.StrVal, c.Name)
}
