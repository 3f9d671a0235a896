package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"minik.dev/apiserver/passthrough"
)

// targets decide where the API server connects to for its clients: for logs, exec, attach, port-forward and proxy. The
// addresses stand in Nodes, Pods and EndpointSlices, which others write, and the API server shows kubelets a certificate
// that opens everything. So it goes to this cluster's nodes and pods, to what the administrator has named besides, and
// nowhere else (as a rule upstream goes anywhere but to the loopback and to link-local addresses: pkg/proxy/util).
type targets struct {
	*Network
	foreign []netip.Prefix // nodes and pods on other machines
	server  uint16         // the API server's own port
}

// RefuseTarget is for apiserver.Options.Refuse: it says why an API server that listens on a port does not connect somewhere, "" where
// it does. Foreign are the addresses of nodes and pods on other machines that it may connect to besides this cluster's own.
func (n *Network) RefuseTarget(foreign []netip.Prefix, server uint16) func(what passthrough.Target, ip string, port int32) string {
	return targets{n, foreign, server}.refuse
}

// refuse is apiserver.Options.Refuse: why the API server does not connect there, "" where it does.
func (t targets) refuse(what passthrough.Target, ip string, port int32) string {
	addr, err := netip.ParseAddr(ip)
	addr = addr.Unmap()
	switch {
	case err != nil || addr.Zone() != "":
		return fmt.Sprintf("%q is no IP address, and names are not looked up", ip)
	case port < 1 || port > 65535:
		return fmt.Sprintf("%d is no port", port)
	case !t.within(addr) && t.isForeign(addr):
		if what == passthrough.TargetKubelet && port == int32(t.server) {
			return fmt.Sprintf("port %d is the API server's own, and no kubelet's", port)
		}
		return ""
	case t.isNode(addr):
		if what == passthrough.TargetKubelet && port != KubeletPort {
			return fmt.Sprintf("port %d is no kubelet's: those of this cluster listen on %d", port, KubeletPort)
		}
		return ""
	case what == passthrough.TargetPod && t.isPod(addr):
		return ""
	case what == passthrough.TargetPod:
		return fmt.Sprintf("%s is no address of this cluster's pods and nodes, which are in %s; --foreign-nodes names others", ip,
			t.PodCIDR)
	}
	return fmt.Sprintf("%s is no address of this cluster's nodes, which are in %s; --foreign-nodes names others", ip, t.NodeCIDR)
}

// isForeign says whether the administrator has named the address. A range that is wider than the loopback, such as
// 0.0.0.0/0, means neither that nor what else is special on each machine.
func (t targets) isForeign(addr netip.Addr) bool {
	for _, prefix := range t.foreign {
		first := prefix.Addr()
		switch {
		case !prefix.Contains(addr), addr.IsUnspecified():
		case addr.IsLoopback() && !first.IsLoopback(), addr.IsLinkLocalUnicast() && !first.IsLinkLocalUnicast(),
			addr.IsMulticast() && !first.IsMulticast():
		default:
			return true
		}
	}
	return false
}

// isNode says whether it is the address of a node that listens; those that are simulated for scale do not.
func (n *Network) isNode(addr netip.Addr) bool {
	i, host := place(n.NodeCIDR, addr)
	return i >= 1 && i <= MaxNodes && host == 1
}

// isPod says whether it is an address that a node that listens gives to its pods.
func (n *Network) isPod(addr netip.Addr) bool {
	i, host := place(n.PodCIDR, addr)
	return i >= 1 && i <= MaxNodes && host > 1
}

// place is the /24 of the range that the address is in, counted from 0, and its last byte; -1 where it is in none.
func place(in netip.Prefix, addr netip.Addr) (i int, host byte) {
	if !in.Contains(addr) {
		return -1, 0
	}
	first, a := in.Addr().As4(), addr.As4()
	return int(binary.BigEndian.Uint32(a[:])-binary.BigEndian.Uint32(first[:])) >> 8, a[3]
}
