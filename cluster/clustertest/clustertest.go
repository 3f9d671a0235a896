// Package clustertest starts a whole cluster inside a Go test: API server, scheduler, controllers and nodes, simulated unless
// the test asks for Docker.
//
//		func TestMyController(t *testing.T) {
//			config := clustertest.Start(t)
//			client := kubernetes.NewForConfigOrDie(config)
//			…
//		}
//
//	 1. [Start] runs the cluster on a free port, with its data in a temporary directory and its addresses in 127.0.0.0/8, so
//	    that it needs no privilege. Any number of them run at once, in one process and in parallel test processes.
//	 2. It returns when the API is served and every node is ready.
//	 3. When the test ends, so does the cluster; no goroutine, listener or file is left.
//
// Upstream are tests of minik and of its users; downstream is package cluster.
//
// Where Kubernetes has envtest (an API server and an etcd as two processes, downloaded before, no scheduler, no nodes),
// here pods really get scheduled and run.
package clustertest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"minik.dev/cluster"
)

// Option changes the cluster that is started.
type Option func(*cluster.Options)

// Docker runs real containers; the test fails where no engine answers. Root on Linux lets containers reach Services, nodes
// and names; elsewhere only what [network.Network] says. Nothing of it is left on the engine when the test has ended.
func Docker() Option {
	return func(o *cluster.Options) { o.Runtime, o.Loopback = "docker", false }
}

// Nodes is how many nodes there are; without it there is one.
func Nodes(n int) Option { return func(o *cluster.Options) { o.Nodes = n } }

// SimNodes is how many simulated nodes there are besides, for scale: sim-1, sim-2, …, with the taint
// minik.dev/simulated:NoSchedule.
func SimNodes(n int) Option { return func(o *cluster.Options) { o.SimNodes = n } }

// Capacity replaces the default capacity of each node for the resources it names.
func Capacity(list corev1.ResourceList) Option {
	return func(o *cluster.Options) { o.NodeCapacity = list }
}

// Logger gets what the components say; without it they say it to nobody.
func Logger(logger *slog.Logger) Option { return func(o *cluster.Options) { o.Logger = logger } }

// startPatience is for machines that are very busy: a cluster usually starts in well under a second.
const startPatience = time.Minute

// Start runs a cluster until the test ends, and returns its administrator's client configuration.
func Start(t testing.TB, options ...Option) *rest.Config {
	t.Helper()
	return Run(t, options...).Config()
}

// Run is Start for tests that want more of the cluster than its configuration.
func Run(t testing.TB, options ...Option) *cluster.Cluster {
	t.Helper()
	o := cluster.Options{
		Ephemeral: true, Listen: "127.0.0.1:0", Runtime: "sim", Nodes: 1, Loopback: true, Logger: slog.New(slog.DiscardHandler),
	}
	for _, option := range options {
		option(&o)
	}
	c, err := cluster.New(o)
	if err != nil {
		t.Fatalf("making a cluster: %v", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	select {
	case <-c.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("starting a cluster: %v", err)
	case <-time.After(startPatience):
		cancel()
		t.Fatalf("starting a cluster: not ready after %s; ending it: %v", startPatience, <-ended)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ending the cluster: %v", err)
		}
	})
	return c
}
