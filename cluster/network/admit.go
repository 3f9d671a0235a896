package network

import (
	"fmt"
	"net/netip"
)

// loopbackDevice is the interface by which this machine talks to itself.
const loopbackDevice = "lo"

// arrival is what is known of a connection or a datagram that has come in.
type arrival struct {
	to     netip.AddrPort // what was listened on
	source netip.Addr
	// device is the interface that it came in by, as the kernel says; "" where the system does not tell. A connection
	// between two addresses of this machine comes in by the loopback interface, or by that which has the address it is for.
	device string
	// own says that source is an address of an interface of this machine's. It is looked up where device does not decide.
	own bool
}

// admit says whether what came in may stay, and why. Whoever is on this machine may, and so may containers of this
// cluster, which are on its bridge; everybody else only if the administrator has let their addresses in (Expose), and
// then to Services, node ports and pods alone: the API server is for --listen to open, kubelets answer no one but it, and
// the name server, which also asks others on behalf of its clients, is no one's outside.
//
// The interface is trusted before the source, which can be forged: nothing from outside comes in by the loopback
// interface or by the bridge. A source that is this machine's own is trusted, as the kernel drops what comes in from
// outside under such a name (unless somebody has set accept_local).
func (n *Network) admit(a arrival) (bool, string) {
	switch {
	case a.device == loopbackDevice:
		return true, "it is this machine"
	case n.Bridge != "" && a.device == n.Bridge:
		return true, "it is on the cluster's bridge " + n.Bridge
	case a.own, a.device == "" && a.source.IsLoopback():
		return true, "it is this machine"
	}
	from := "comes from outside this machine"
	if a.device != "" {
		from = "came in by " + a.device + ", from outside this machine"
	}
	exposed := false
	for _, prefix := range n.expose {
		exposed = exposed || prefix.Contains(a.source)
	}
	closed := n.keptClosed(a.to)
	switch {
	case !exposed:
		return false, fmt.Sprintf("it %s; --expose does not name it", from)
	case closed != "":
		return false, fmt.Sprintf("it %s, and %s", from, closed)
	}
	return true, "--expose names it"
}

// keptClosed says why an address of the cluster is not reached from outside although --expose names who asks; "" where
// it is.
func (n *Network) keptClosed(to netip.AddrPort) string {
	switch addr := to.Addr(); {
	case addr == n.APIServiceIP:
		return "--listen says from where the API server is reached"
	case addr == n.ControlPlaneIP(), addr == n.DNSIP:
		return "the control plane's own addresses are not exposed"
	case n.NodeCIDR.Contains(addr) && to.Port() == KubeletPort:
		return "a kubelet answers the API server alone"
	case addr.IsLoopback():
		return "a loopback address means this machine"
	}
	return ""
}
