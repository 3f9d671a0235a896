package proxy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Limits bound the addresses that objects may name. Whoever may write a Service, a Node or an EndpointSlice has a say in the
// cluster, and none in what the machine does at addresses that are not the cluster's (CVE-2020-8554). The zero value has
// cluster addresses alone.
type Limits struct {
	// External are the addresses that a Service's externalIPs and the status of its load balancer may name.
	External []netip.Prefix
	// LoadBalancers are the addresses that the cluster gives to Services of type LoadBalancer.
	LoadBalancers []netip.Prefix
	// Nodes are those of the cluster's nodes, for node ports.
	Nodes []netip.Prefix
	// Endpoints are those of the cluster's endpoints. Others may be anywhere but at addresses that mean another thing on each
	// machine, this one included: a pod's author must not reach its loopback, nor a cloud's metadata (169.254.169.254).
	Endpoints []netip.Prefix
}

func in(ranges []netip.Prefix, ip string) bool {
	addr, err := netip.ParseAddr(ip)
	return err == nil && slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// external says why nobody listens on the address, which is in a Service's externalIPs; "" where somebody does.
func (l Limits) external(ip string) string {
	if in(l.External, ip) {
		return ""
	}
	return fmt.Sprintf("nobody listens on external address %s: --external-ips does not name it", ip)
}

// loadBalancer says why nobody listens on the address, which is in the status of a Service's load balancer.
func (l Limits) loadBalancer(ip string) string {
	if in(l.LoadBalancers, ip) || in(l.External, ip) {
		return ""
	}
	return fmt.Sprintf("nobody listens on load balancer address %s: it is none that this cluster gives out (%s), and "+
		"--external-ips does not name it", ip, list(l.LoadBalancers))
}

// node says why nobody listens on the address, which is in a Node's status.
func (l Limits) node(name, ip string) string {
	if in(l.Nodes, ip) {
		return ""
	}
	return fmt.Sprintf("nobody listens on the node port of %s at %s: the nodes of this cluster have addresses of %s", name, ip,
		list(l.Nodes))
}

// endpoint says why nothing is forwarded to the address; "" where something may be.
func (l Limits) endpoint(ip string) string {
	addr, err := netip.ParseAddr(ip)
	addr = addr.Unmap()
	what := ""
	switch {
	case err != nil:
		return fmt.Sprintf("%q is no IP address", ip)
	case addr.IsUnspecified():
		what = "is unspecified"
	case addr.IsLoopback():
		what = "is the loopback of whoever connects"
	case addr.IsLinkLocalUnicast():
		what = "is link-local"
	case addr.IsMulticast():
		what = "is a group's"
	}
	if what == "" || in(l.Endpoints, ip) {
		return ""
	}
	return ip + " " + what
}

// refusedAtMost bounds how many endpoints of a port are named.
const refusedAtMost = 3

// keep takes out the endpoints that nothing is forwarded to, and says why.
func (l Limits) keep(endpoints map[Backend]state) (why []string) {
	refused := map[Backend]string{}
	for b := range endpoints {
		if why := l.endpoint(b.IP); why != "" {
			refused[b] = why
			delete(endpoints, b)
		}
	}
	for i, b := range slices.SortedFunc(maps.Keys(refused), compareBackend) {
		if i == refusedAtMost {
			return append(why, fmt.Sprintf("nothing is forwarded to %d more endpoints", len(refused)-i))
		}
		why = append(why, fmt.Sprintf("nothing is forwarded to endpoint %s: %s", hostPort(b.IP, b.Port), refused[b]))
	}
	return why
}

func list(ranges []netip.Prefix) string {
	var out []string
	for _, r := range ranges {
		out = append(out, r.String())
	}
	return cmp.Or(strings.Join(out, ", "), "none")
}
