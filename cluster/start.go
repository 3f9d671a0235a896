package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"

	"k8s.io/apimachinery/pkg/util/uuid"

	"minik.dev/apiserver/etcd"
	"minik.dev/controllers"
	"minik.dev/dns"
	"minik.dev/proxy"
	"minik.dev/scheduler"
)

// Version is minik's own.
const Version = "0.1.0"

func (c *Cluster) startEtcd(ctx context.Context) (string, error) {
	var err error
	if len(c.options.EtcdServers) > 0 {
		c.etcd, err = etcd.Connect(ctx, c.options.EtcdServers)
	} else if err = c.dir.checkRestored(); err == nil {
		c.etcd, err = etcd.Start(ctx, etcd.Options{
			Dir: c.dir.etcd(), LogFile: c.dir.log("etcd.log"), Volatile: c.options.Ephemeral,
		})
	}
	if err != nil {
		return "", err
	}
	c.parts.onStop("etcd", c.etcd.Stop)
	return c.etcd.Endpoint, nil
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

func (c *Cluster) startControllers(context.Context) (string, error) {
	config, err := c.config(controlling)
	if err != nil {
		return "", err
	}
	manager, err := controllers.New(config, controllers.Options{
		Logger: c.options.Logger, Clock: c.options.Clock, ClusterCA: c.authority(), LoadBalancerPool: c.loadBalancerPool(),
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
		Logger: c.options.Logger, Clock: c.options.Clock, Address: c.network.Address, Dial: c.dial, OwnsNode: c.network.Owns,
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
		ListenTCP: c.listenTCP, ListenUDP: c.listenUDP, Dial: c.dial,
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
