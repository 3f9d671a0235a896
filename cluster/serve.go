package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	join := stage{"cluster", func(ctx context.Context) (string, error) {
		detail, err := c.join(ctx, serve.Kubeconfig, onNetwork)
		if err != nil {
			return "", err
		}
		name := component
		if component == "kubelet" {
			name += " of " + serve.NodeName
		}
		leave, err := c.dir.enrol(name)
		if err != nil {
			return "", err
		}
		c.parts.onStop("the note that "+name+" runs", leave)
		return detail, nil
	}}
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

// Served is a component that runs alone, in a process of its own.
type Served struct {
	PID       int
	Component string // "controllers", "kubelet of node-1"
}

// enrol notes that this process runs a component of the data directory, until it ends in whatever way.
func (h dataDirectory) enrol(component string) (leave func() error, err error) {
	if err := os.MkdirAll(h.served(), 0o700); err != nil {
		return nil, fmt.Errorf("noting that %s runs: %w", component, err)
	}
	path := filepath.Join(h.served(), fmt.Sprintf("%d.%s", os.Getpid(), strings.ReplaceAll(component, " ", "-")))
	file, err := lockFile(path)
	if err == nil {
		_, err = file.WriteString(component)
	}
	if err != nil {
		return nil, fmt.Errorf("noting that %s runs: %w", component, err)
	}
	return func() error { return errors.Join(os.Remove(path), file.Close()) }, nil
}

// ServedAlone are the components that run alone for a data directory, its API server not among them.
func ServedAlone(dataDir string) ([]Served, error) {
	h := dataDirectory{dir: dataDir}
	entries, err := os.ReadDir(h.served())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking which components of %s run: %w", dataDir, err)
	}
	var out []Served
	for _, entry := range entries {
		path := filepath.Join(h.served(), entry.Name())
		number, _, _ := strings.Cut(entry.Name(), ".")
		pid, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		lock, err := lockFile(path)
		if err == nil { // its process was killed
			if err := errors.Join(os.Remove(path), lock.Close()); err != nil {
				return nil, fmt.Errorf("forgetting a component that was killed: %w", err)
			}
			continue
		}
		component, readErr := os.ReadFile(path)
		if !errors.Is(err, errLocked) || readErr != nil {
			continue // it has just ended
		}
		out = append(out, Served{PID: pid, Component: string(component)})
	}
	return out, nil
}
