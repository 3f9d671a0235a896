package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"minik.dev/cluster/network"
)

// ServeOptions are what a component that runs alone needs besides the cluster's options.
type ServeOptions struct {
	// Kubeconfig says where the API server is. The API server itself needs none.
	Kubeconfig string
	// NodeName is the node of a kubelet: node-1, node-2, ….
	NodeName string
}

// Serve runs one component alone until ctx ends: apiserver, controllers, scheduler, kubelet, proxy or dns. Six of them make
// the cluster that [Cluster.Run] makes in one process.
//
// The API server owns the data directory; the others read the cluster's authority and its addresses there. Where Kubeconfig leads
// to another API server, such as kube-apiserver, a component is whom it says there, and claims addresses of its own (join.go).
func Serve(ctx context.Context, component string, options Options, serve ServeOptions) error {
	options.Nodes = max(options.Nodes, 1)
	c, err := New(options)
	if err != nil {
		return err
	}
	onNetwork := component != "controllers" && component != "scheduler"
	join := stage{"cluster", func(ctx context.Context) (string, error) { return c.join(ctx, serve.Kubeconfig, onNetwork) }}
	switch component {
	case "apiserver":
		c.stages = []stage{{"data", c.openData}, {"runtime", c.openRuntime}, {"network", c.claimNetwork}, {"certificates", c.openPKI},
			{"etcd", c.startEtcd}, {"API server", c.startAPIServer}}
	case "controllers":
		c.stages = []stage{join, {"controllers", c.startControllers}}
	case "scheduler":
		c.stages = []stage{join, {"scheduler", c.serveScheduler}}
	case "proxy":
		c.stages = []stage{join, {"proxy", c.serveProxy}}
	case "dns":
		c.stages = []stage{join, {"dns", c.startDNS}}
	case "kubelet":
		c.stages = []stage{join, {"runtime", c.joinRuntime},
			{"kubelet", func(context.Context) (string, error) { return c.serveKubelet(serve.NodeName) }}}
	default:
		return fmt.Errorf("unknown component %q: it is apiserver, controllers, scheduler, kubelet, proxy or dns", component)
	}
	return c.Run(ctx)
}

// serveScheduler has the scheduler stand for election, as upstream's does: so it may be started twice.
func (c *Cluster) serveScheduler(context.Context) (string, error) {
	collectLess()
	return c.runScheduler(true)
}

// serveProxy also makes the services' addresses reachable: in a cluster of one process the start has done it.
func (c *Cluster) serveProxy(ctx context.Context) (string, error) {
	if err := c.network.OpenServices(); err != nil {
		return "", err
	}
	return c.startProxy(ctx)
}

// serveKubelet starts one node. Its containers outlive it.
func (c *Cluster) serveKubelet(name string) (string, error) {
	number, ok := strings.CutPrefix(name, "node-")
	i, err := strconv.Atoi(number)
	if !ok || err != nil || i < 1 || i > network.MaxNodes {
		return "", fmt.Errorf("--node %q: nodes are named node-1 to node-%d", name, network.MaxNodes)
	}
	return name + ", runtime " + c.runtime.kind, c.startNode(name, i, false)
}
