package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"minik.dev/kubelet/docker"
)

// Engine is what runs containers, as far as the network is concerned: they are on one bridge, which the engine makes.
//
//	                    10.244.0.1  the bridge itself: the API server's endpoint
//	host ── bridge ──┬─ 10.244.1.1  node-1   10.244.1.2 …  its pods
//	                 └─ 10.244.2.1  node-2   10.244.2.2 …  its pods
//
// Root on Linux gives the bridge the nodes' addresses as well, and containers reach services by their default route, which
// ends at this machine. Whoever may not do that has services and nodes in 127.0.0.0/8 (a range of their own, NodeCIDR), which
// inside a container is the container itself. An engine in a virtual machine or elsewhere has its bridge there: then not even
// this machine reaches its pods.
type Engine interface {
	Networks(ctx context.Context) ([]docker.NetworkRange, error)
	EnsureNetwork(ctx context.Context, o docker.NetworkOptions) (device string, err error)
	RemoveNetwork(ctx context.Context, cluster string) error
	// Containers counts those of the cluster.
	Containers(ctx context.Context, cluster string) (int, error)
}

// onBridge is the mode of a range of containers' addresses; no Network has it.
const onBridge Mode = "bridge"

// engineTimeout bounds what an engine is asked to do for a network.
const engineTimeout = 30 * time.Second

// ownBridge is how the routes of a cluster's own bridge are told from others.
type ownBridge struct {
	device string       // "" where it is not known
	prefix netip.Prefix // what the engine says
}

func (b ownBridge) has(device string, prefix netip.Prefix) bool {
	return b.device != "" && device == b.device ||
		b.prefix.IsValid() && b.prefix.Bits() <= prefix.Bits() && b.prefix.Contains(prefix.Addr())
}

// engineRanges are those of the engine's networks but the cluster's own.
func engineRanges(ctx context.Context, engine Engine, id string) (used []usedRange, own ownBridge, err error) {
	if engine == nil {
		return nil, own, nil
	}
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	networks, err := engine.Networks(ctx)
	if err != nil {
		return nil, own, fmt.Errorf("asking the engine for its networks: %w", err)
	}
	for _, network := range networks {
		if network.Cluster == id {
			own.prefix = network.Prefix
		} else {
			used = append(used, usedRange{network.Prefix, "which is the engine's network " + network.Name})
		}
	}
	return used, own, nil
}

// openBridge makes the bridge, and settles where nodes are.
func (n *Network) openBridge(ctx context.Context, before saved, o Options) error {
	ending := context.WithoutCancel(ctx)
	n.removeBridge = func() error {
		ctx, cancel := context.WithTimeout(ending, engineTimeout)
		defer cancel()
		if left, err := o.Engine.Containers(ctx, n.owner); err != nil || left > 0 {
			return err // those of a lone kubelet run on
		}
		return o.Engine.RemoveNetwork(ctx, n.owner)
	}
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	gateway := n.PodCIDR.Addr().Next()
	device, err := o.Engine.EnsureNetwork(ctx, docker.NetworkOptions{Cluster: n.owner, Pods: n.PodCIDR, Gateway: gateway})
	if err != nil {
		return fmt.Errorf("making the bridge of the pods, %s: %w%s", n.PodCIDR, err, advice(o))
	}
	n.Bridge, n.BridgeHere = device, hasAddress(device, gateway)
	apart, note := nodesApart(n.Mode, n.BridgeHere)
	if !apart {
		return nil
	}
	n.notes = append(n.notes, note)
	return n.claimNodes(before, o)
}

// nodesApart says whether nodes need a range of their own, and what that costs.
func nodesApart(mode Mode, here bool) (apart bool, note string) {
	const unreached = "inside containers ClusterIPs, node addresses and cluster DNS are not reached: "
	switch {
	case !here:
		return true, "pod addresses are not reached from this machine, so Services do not answer; " + unreached +
			"the engine's bridge is in a virtual machine or on another machine"
	case mode == AnyIP:
		return false, ""
	}
	return true, unreached + "they are addresses of this machine's loopback"
}

// claimNodes takes a range for the nodes' addresses, whose node i is that of the pods' range.
func (n *Network) claimNodes(before saved, o Options) error {
	release, err := lockClaims()
	if err != nil {
		return err
	}
	defer release()
	used, err := usedRanges(n.Mode, n.owner, ownBridge{device: n.Bridge})
	if err != nil {
		return err
	}
	used = append(used, usedRange{n.ServiceCIDR, "the service range of this cluster"},
		usedRange{n.PodCIDR, "the pod range of this cluster"})
	was := before.nodes()
	if before.Mode != n.Mode || was.Addr().IsLoopback() != (n.Mode == Loopback) || was.Overlaps(n.PodCIDR) {
		was = netip.Prefix{}
	}
	nodes, err := chooseRange("node", "", was, n.Mode, n.PodCIDR.Bits(), used)
	if err != nil {
		return fmt.Errorf("claiming addresses for the nodes: %w", err)
	}
	n.NodeCIDR = nodes
	return n.system.hold(n.Mode, n.owner, nodes)
}

// hasAddress says whether this machine has the interface, with that address.
func hasAddress(device string, address netip.Addr) bool {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return false
	}
	addresses, err := link.Addrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(address.AsSlice()) {
			return true
		}
	}
	return false
}

// ReachedByContainers says whether containers reach services, nodes and the cluster's name server. Simulated ones do, as
// they are part of this machine.
func (n *Network) ReachedByContainers() bool {
	return n.Bridge == "" || n.NodeCIDR == n.PodCIDR
}

// closeBridge is for the last process of the cluster.
func (n *Network) closeBridge() error {
	if n.removeBridge == nil {
		return nil
	}
	if err := n.removeBridge(); err != nil {
		return fmt.Errorf("removing the bridge of the pods: %w", err)
	}
	return nil
}
