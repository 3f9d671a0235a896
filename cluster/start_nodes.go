package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"minik.dev/api"
	"minik.dev/apiserver"
	"minik.dev/cluster/network"
	"minik.dev/kubelet"
)

func (c *Cluster) startNodes(ctx context.Context) (string, error) {
	removed, err := c.removeSurplusNodes(ctx)
	if err != nil {
		return "", err
	}
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
	if len(removed) > 0 {
		detail += fmt.Sprintf("; %s of before removed, --nodes %d has them again", strings.Join(removed, ", "), c.options.Nodes+len(removed))
	}
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
	certificate, err := c.pki.server("system:node:"+name, []string{name}, []net.IP{ip.AsSlice()})
	if err != nil {
		return err
	}
	tlsConfig, err := c.kubeletTLS(certificate)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir.node(name), 0o700); err != nil {
		return fmt.Errorf("making the directory of %s: %w", name, err)
	}
	k, err := kubelet.New(config, kubelet.Options{
		Node: name, Runtime: c.newRuntime(name, i), Capacity: c.options.NodeCapacity,
		Dir: c.podFiles(name), ClusterDNS: c.nameServers(), ClusterDomain: clusterDomain,
		PodCIDRs: []netip.Prefix{pods}, IPs: []netip.Addr{ip},
		Listen: func() (net.Listener, error) {
			return c.listenTCP(c.network.Address(ip.String(), network.KubeletPort))
		},
		TLS: tlsConfig, Port: network.KubeletPort,
		Dial: c.dial, KillOnExit: killOnExit, Version: apiserver.KubernetesVersion,
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
	return c.dir.node(node)
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
