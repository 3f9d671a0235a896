package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"minik.dev/apiserver"
	"minik.dev/cluster/network"
)

func (c *Cluster) startAPIServer(ctx context.Context) (string, error) {
	listener, err := c.listen(ctx, c.options.Listen)
	if err != nil {
		return "", err
	}
	address := listener.Addr().(*net.TCPAddr)
	endpoint := &net.TCPAddr{IP: c.network.ControlPlaneIP().AsSlice(), Port: address.Port}
	server, err := c.newAPIServer(address, endpoint)
	if err != nil {
		return "", errors.Join(err, listener.Close())
	}
	c.server = server
	if !address.IP.IsUnspecified() && !address.IP.Equal(endpoint.IP) {
		// Pods find the server at an address of the cluster, whatever address it listens on for its users.
		inner, err := c.network.Listen(ctx, c.network.Address(endpoint.IP.String(), int32(endpoint.Port)))
		if err != nil {
			return "", errors.Join(fmt.Errorf("listening for pods that ask the API server: %w", err), listener.Close())
		}
		listener = network.Both(listener, inner)
	}
	c.parts.run("the API server", func(ctx context.Context) error { return server.Run(ctx, listener) })
	c.parts.run("the use of memory", func(ctx context.Context) error { return c.keepMemory(ctx, server.ShortOfMemory) })
	select {
	case <-server.Ready():
	case <-ctx.Done():
		return "", ctx.Err()
	case err := <-c.parts.failed:
		return "", err
	}
	c.host = "https://" + reachable(address)
	if c.admin, err = c.pki.config(c.host, administrator); err != nil {
		return "", err
	}
	c.admin.ContentConfig = rest.ContentConfig{}
	if err := c.pki.writeKubeconfig(c.dir.kubeconfig(), c.host, administrator); err != nil {
		return "", err
	}
	if err := c.bootstrap(ctx, endpoint); err != nil {
		return "", err
	}
	return c.host, c.saveState()
}

// bootstrap makes what every cluster has, and keeps it.
func (c *Cluster) bootstrap(ctx context.Context, endpoint *net.TCPAddr) error {
	own, err := c.config(identity{"system:apiserver", []string{"system:masters"}})
	if err != nil {
		return err
	}
	system := apiserver.System{Services: c.network.ServiceCIDR, ServiceIP: c.network.APIServiceIP, Endpoint: endpoint}
	if err := apiserver.Bootstrap(ctx, own, system); err != nil {
		return err
	}
	c.parts.run("the repair of the system's objects", func(ctx context.Context) error {
		return apiserver.KeepBootstrapped(ctx, own, system, c.options.Clock, c.options.Logger)
	})
	return nil
}

func (c *Cluster) saveState() error {
	config := c.options.SchedulerConfig
	if config != "" {
		absolute, err := filepath.Abs(config)
		if err != nil {
			return fmt.Errorf("resolving the scheduler's configuration: %w", err)
		}
		config = absolute
	}
	return writeState(c.dir.state(), State{
		PID: os.Getpid(), SchedulerConfig: config, Server: c.host, Runtime: c.runtime.String(), Etcd: etcdctl + c.etcd.Endpoint,
		Network: fmt.Sprintf("services %s, pods %s", c.network.ServiceCIDR, c.network.PodCIDR),
	})
}

// newAPIServer gives the server its certificate, for every name and address that it is reached by.
func (c *Cluster) newAPIServer(address, endpoint *net.TCPAddr) (*apiserver.Server, error) {
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, endpoint.IP, c.network.APIServiceIP.AsSlice()}
	if !address.IP.IsUnspecified() {
		ips = append(ips, address.IP)
	} else if all, err := net.InterfaceAddrs(); err == nil {
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok {
				ips = append(ips, n.IP)
			}
		}
	}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc." + clusterDomain}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	certificate, err := c.pki.server("kube-apiserver", names, ips)
	if err != nil {
		return nil, err
	}
	toKubelet, err := c.pki.clientTLS(toKubelets)
	if err != nil {
		return nil, err
	}
	return apiserver.New(apiserver.Options{
		Name:     "apiserver",
		Etcd:     c.etcd,
		History:  c.options.History,
		TLS:      c.pki.serverTLS(certificate, tls.VerifyClientCertIfGiven),
		Services: c.network.ServiceCIDR, Reserved: c.network.LoadBalancerPool,
		ExternalIPs:    c.options.ExternalIPs,
		Kubelet:        toKubelet,
		Components:     c.components(),
		MaxConnections: network.MaxConnections(),
		Refuse:         c.network.RefuseTarget(c.options.ForeignNodes, uint16(address.Port)),
		Dial:           c.dial,
		Version:        Version,
		NewUID:         uuid.NewUUID,
		NewSuffix:      func() string { return utilrand.String(5) },
		Clock:          c.options.Clock,
		Logger:         c.options.Logger,
	})
}

// reachable is where a client on this machine reaches the listener.
func reachable(address *net.TCPAddr) string {
	if address.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", address.Port)
	}
	return address.String()
}
