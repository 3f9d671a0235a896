package network

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/api"
)

const (
	// MaxNodes is bounded by the addresses that listening nodes have; more nodes need no address each.
	MaxNodes = 250
	// MaxSimulatedNodes leaves room in the largest range of pod addresses.
	MaxSimulatedNodes = 20000
	// KubeletPort is where each kubelet listens, on its own node's address.
	KubeletPort = 10250
)

// ControlPlaneIP is where the API server is reached as the endpoint of Service default/kubernetes: the first address of the
// nodes' range, in the /24 before node 1's. Containers reach it wherever their bridge is on this machine.
func (n *Network) ControlPlaneIP() netip.Addr {
	if n.BridgeHere {
		return n.PodCIDR.Addr().Next()
	}
	return n.NodeCIDR.Addr().Next()
}

// Node is the address of node i, counted from 1, and the /24 of its pods, who take addresses from .2 on. Both are invalid
// when the ranges have no such part; OpenNode says so.
func (n *Network) Node(i int) (netip.Addr, netip.Prefix) {
	if i < 1 || i > n.capacity() {
		return netip.Addr{}, netip.Prefix{}
	}
	return offset(n.NodeCIDR.Addr(), i<<8).Next(), netip.PrefixFrom(offset(n.PodCIDR.Addr(), i<<8), 24)
}

func (n *Network) capacity() int { return 1<<(24-max(n.PodCIDR.Bits(), n.NodeCIDR.Bits())) - 1 }

// Owns says whether this machine listens for the node: its address is the cluster's, and it is none of those that are
// simulated for scale alone.
func (n *Network) Owns(node *corev1.Node) bool {
	if api.IsSimulated(node) {
		return false
	}
	for _, a := range node.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil && a.Type == corev1.NodeInternalIP && n.NodeCIDR.Contains(ip) {
			return true
		}
	}
	return false
}

// simulatedFrom is where the addresses of simulated nodes begin where pods are on a bridge: nothing there listens, so
// nothing is claimed.
var simulatedFrom = netip.AddrFrom4([4]byte{10, 128})

// Simulated is the address of the i-th node of the fleet, counted from 1, and the /24 of its pods: those after all
// nodes that listen. Both are invalid when the range has no such part.
func (n *Network) Simulated(i int) (netip.Addr, netip.Prefix) {
	if n.Bridge != "" {
		first := offset(simulatedFrom, i<<8)
		return first.Next(), netip.PrefixFrom(first, 24)
	}
	return n.Node(MaxNodes + i)
}
