package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"minik.dev/api"
	"minik.dev/apiserver"
	"minik.dev/apiserver/etcd"
	"minik.dev/cluster/network"
	"minik.dev/controllers"
	"minik.dev/dns"
	"minik.dev/kubelet"
	"minik.dev/proxy"
	"minik.dev/scheduler"
)

// Version is minik's own.
const Version = "0.1.0"

func (c *Cluster) startEtcd(ctx context.Context) (string, error) {
	var err error
	if len(c.options.EtcdServers) > 0 {
		c.etcd, err = etcd.Connect(ctx, c.options.EtcdServers)
	} else if err = c.home.checkRestored(); err == nil {
		c.etcd, err = etcd.Start(ctx, etcd.Options{
			Dir: c.home.etcd(), LogFile: c.home.log("etcd.log"), Volatile: c.options.Ephemeral,
		})
	}
	if err != nil {
		return "", err
	}
	c.parts.onStop("etcd", c.etcd.Stop)
	return c.etcd.Endpoint, nil
}

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
	if err := c.pki.writeKubeconfig(c.home.kubeconfig(), c.host, administrator); err != nil {
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
	serviceIP := c.network.APIServiceIP.String()
	if err := apiserver.Bootstrap(ctx, own, serviceIP, endpoint); err != nil {
		return err
	}
	c.parts.run("the repair of the system's objects", func(ctx context.Context) error {
		return apiserver.KeepBootstrapped(ctx, own, serviceIP, endpoint, c.options.Clock, c.options.Logger)
	})
	return nil
}

func (c *Cluster) saveState() error {
	return writeState(c.home.state(), State{
		PID: os.Getpid(), Server: c.host, Runtime: c.runtime.String(), Etcd: etcdctl + c.etcd.Endpoint,
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
		Address:        c.network.Address,
		Version:        Version,
		NewUID:         uuid.NewUUID,
		NewSuffix:      func() string { return utilrand.String(5) },
		Clock:          c.options.Clock,
		Logger:         c.options.Logger,
	})
}

// The names of the parts that the API server is asked about.
const (
	theControllers = "the controllers"
	theScheduler   = "the scheduler"
)

// components are the parts of the control plane that run in this process, by their names in ComponentStatuses. An API server
// that runs alone has none.
func (c *Cluster) components() map[string]func() error {
	out := map[string]func() error{}
	for _, stage := range c.stages {
		switch stage.name {
		case "scheduler":
			out["scheduler"] = func() error { return c.parts.runs(theScheduler) }
		case "controllers":
			out["controller-manager"] = func() error { return c.parts.runs(theControllers) }
		}
	}
	return out
}

// reachable is where a client on this machine reaches the listener.
func reachable(address *net.TCPAddr) string {
	if address.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", address.Port)
	}
	return address.String()
}

func (c *Cluster) startControllers(context.Context) (string, error) {
	config, err := c.config(controlling)
	if err != nil {
		return "", err
	}
	manager, err := controllers.New(config, controllers.Options{
		Logger: c.options.Logger, Clock: c.options.Clock, ClusterCA: c.pki.caPEM, LoadBalancerPool: c.network.LoadBalancerPool,
	})
	if err != nil {
		return "", err
	}
	c.parts.run(theControllers, manager.Run)
	return "", nil
}

// startScheduler starts the scheduler beside all else in this process. There is no other, so it stands for election
// only where its configuration says so.
func (c *Cluster) startScheduler(context.Context) (string, error) { return c.runScheduler(false) }

// runScheduler starts a scheduler; elect is whether it stands for election where the configuration leaves that open.
func (c *Cluster) runScheduler(elect bool) (string, error) {
	config, err := c.config(scheduling)
	if err != nil {
		return "", err
	}
	options := scheduler.Options{
		Logger: c.options.Logger, Clock: c.options.Clock, Configuration: scheduler.DefaultConfiguration(),
	}
	if c.options.SchedulerConfig != "" {
		if options.Configuration, err = scheduler.LoadConfiguration(c.options.SchedulerConfig); err != nil {
			return "", err
		}
	}
	if says := options.Configuration.LeaderElection.LeaderElect; says != nil {
		elect = *says
	}
	if !elect {
		s, err := scheduler.New(config, options)
		if err != nil {
			return "", err
		}
		c.parts.run(theScheduler, s.Run)
		return c.options.SchedulerConfig, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("finding a name for the scheduler: %w", err)
	}
	candidate, err := scheduler.NewCandidate(config, fmt.Sprintf("%s_%s", host, uuid.NewUUID()), options)
	if err != nil {
		return "", err
	}
	c.parts.run(theScheduler, candidate.Run)
	return c.options.SchedulerConfig, nil
}

func (c *Cluster) startProxy(context.Context) (string, error) {
	config, err := c.config(proxying)
	if err != nil {
		return "", err
	}
	p, err := proxy.New(config, proxy.Options{
		Logger: c.options.Logger, Clock: c.options.Clock, Address: c.network.Address, OwnsNode: c.network.Owns,
		Limits: proxy.Limits{
			External: c.options.ExternalIPs, LoadBalancers: []netip.Prefix{c.network.LoadBalancerPool},
			Nodes: []netip.Prefix{c.network.NodeCIDR}, Endpoints: []netip.Prefix{c.network.PodCIDR, c.network.NodeCIDR},
		},
		ListenTCP: c.listenTCP,
		ListenUDP: func(address string) (proxy.PacketConn, error) { return c.network.ListenUDP(c.parts.base, address) },
	})
	if err != nil {
		return "", err
	}
	c.parts.run("the proxy", p.Run)
	return "", nil
}

// startDNS starts the name server, beside the API server. Services lead to it like to anything else.
func (c *Cluster) startDNS(context.Context) (string, error) {
	config, err := c.config(naming)
	if err != nil {
		return "", err
	}
	server, err := dns.New(config, dns.Options{
		Listen: c.network.ControlPlaneIP(), Service: c.network.DNSIP, Domain: clusterDomain, Address: c.network.Address,
		ListenTCP: c.listenTCP, ListenUDP: c.listenUDP,
		Logger: c.options.Logger, Clock: c.options.Clock,
	})
	if err != nil {
		return "", err
	}
	c.parts.run("the name server", server.Run)
	return clusterDomain + " at " + c.network.Address(c.network.DNSIP.String(), 53), nil
}

// listenTCP and listenUDP are how parts of the cluster open an address of it: who may not come in is kept out.
func (c *Cluster) listenTCP(address string) (net.Listener, error) {
	return c.network.Listen(c.parts.base, address)
}

func (c *Cluster) listenUDP(address string) (net.PacketConn, error) {
	return c.network.ListenUDP(c.parts.base, address)
}

// clusterDomain is that of all names of Services and pods.
const clusterDomain = "cluster.local"

func (c *Cluster) startNodes(ctx context.Context) (string, error) {
	names := map[string]bool{}
	for i := 1; i <= c.options.Nodes; i++ {
		name := fmt.Sprintf("node-%d", i)
		names[name] = true
		if err := c.startNode(name, i, true); err != nil {
			return "", err
		}
	}
	c.parts.onStop("the containers", c.removeContainers)
	simulated, err := c.startFleet()
	if err != nil {
		return "", err
	}
	for _, name := range simulated {
		names[name] = true
	}
	if err := c.saveState(); err != nil {
		return "", err
	}
	if err := c.awaitNodes(ctx, names); err != nil {
		return "", err
	}
	detail := fmt.Sprintf("%d ready, runtime %s", c.options.Nodes, c.runtime.kind)
	if n := len(simulated); n > 0 {
		detail += fmt.Sprintf("; %d simulated for scale, %s to %s, with taint %s:NoSchedule", n, simulated[0], simulated[n-1],
			api.Simulated)
	}
	return detail, nil
}

// startNode starts the kubelet of the i-th node.
func (c *Cluster) startNode(name string, i int, killOnExit bool) error {
	config, err := c.config(nodeIdentity(name))
	if err != nil {
		return err
	}
	if err := c.network.OpenNode(i); err != nil {
		return err
	}
	ip, pods := c.network.Node(i)
	certificate, err := c.pki.server("system:node:"+name, []string{name}, []net.IP{ip.AsSlice(), net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.home.node(name), 0o700); err != nil {
		return fmt.Errorf("making the directory of %s: %w", name, err)
	}
	k, err := kubelet.New(config, kubelet.Options{
		Node: name, Runtime: c.newRuntime(name, i), Capacity: c.options.NodeCapacity,
		Dir: c.podFiles(name), ClusterDNS: c.nameServers(), ClusterDomain: clusterDomain,
		PodCIDRs: []netip.Prefix{pods}, IPs: []netip.Addr{ip},
		Listen: func() (net.Listener, error) {
			return c.listenTCP(c.network.Address(ip.String(), network.KubeletPort))
		},
		TLS: c.pki.serverTLS(certificate, tls.RequireAndVerifyClientCert), Port: network.KubeletPort,
		Address: c.network.Address, KillOnExit: killOnExit, Version: apiserver.KubernetesVersion,
		Logger: c.options.Logger, Clock: c.options.Clock,
	})
	if err != nil {
		return err
	}
	c.parts.run("the kubelet of "+name, k.Run)
	return nil
}

// podFiles is where the kubelet writes what it mounts into containers; "" where nothing is mounted.
func (c *Cluster) podFiles(node string) string {
	if c.runtime.kind == runtimeSim {
		return ""
	}
	return c.home.node(node)
}

// awaitNodes returns when all of the nodes are ready.
func (c *Cluster) awaitNodes(ctx context.Context, names map[string]bool) error {
	client, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return fmt.Errorf("making a client that waits for the nodes: %w", err)
	}
	if err := c.withoutStopped(ctx, names); err != nil || len(names) == 0 {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-c.parts.failed:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	nodes := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "nodes", metav1.NamespaceAll, fields.Everything())
	_, err = watchtools.UntilWithSync(ctx, nodes, &corev1.Node{}, nil, func(e watch.Event) (bool, error) {
		node, ok := e.Object.(*corev1.Node)
		if ok && isReady(node) {
			delete(names, node.Name)
		}
		return len(names) == 0, nil
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// withoutStopped takes out the nodes that have no power: waiting gives them none.
func (c *Cluster) withoutStopped(ctx context.Context, names map[string]bool) error {
	client, err := api.NewClient(c.admin)
	if err != nil {
		return err
	}
	var controls api.ControlList
	if err := client.Get().Resource("controls").Do(ctx).Into(&controls); err != nil {
		return fmt.Errorf("asking which nodes were stopped: %w", err)
	}
	for _, control := range controls.Items {
		if name, ok := strings.CutPrefix(control.Name, api.ControlName("kubelet/")); ok && control.Spec.Stopped {
			delete(names, name)
		}
	}
	return nil
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
