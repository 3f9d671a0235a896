package proxy

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// proxyNameLabel on a Service gives it to another proxy; this one leaves it alone.
const proxyNameLabel = "service.kubernetes.io/service-proxy-name"

// Listen is an address as clients know it: what the Service or Node says, before Options.Address maps it to this machine.
type Listen struct {
	IP       string
	Port     int32
	Protocol corev1.Protocol
}

func (l Listen) String() string { return fmt.Sprintf("%s %s", l.Protocol, hostPort(l.IP, l.Port)) }

func compareListen(a, b Listen) int {
	return cmp.Or(compareIP(a.IP, b.IP), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
}

// Backend is one endpoint of a Service port, and the node that it runs on ("" where the EndpointSlice does not say).
type Backend struct {
	IP   string
	Port int32
	Node string
}

func (b Backend) String() string {
	if b.Node == "" {
		return hostPort(b.IP, b.Port)
	}
	return fmt.Sprintf("%s (%s)", hostPort(b.IP, b.Port), b.Node)
}

func compareBackend(a, b Backend) int {
	return cmp.Or(compareIP(a.IP, b.IP), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Node, b.Node))
}

// Rule says where the connections to one address go.
type Rule struct {
	Listen   Listen
	Service  types.NamespacedName
	UID      types.UID      // the Service's
	Backends []Backend      // sorted, none twice; none at all means that connections are refused
	Affinity time.Duration  // how long a silent client keeps its backend; 0 is no affinity
	Sources  []netip.Prefix // who may connect; none means everyone
	Health   bool           // nothing is forwarded: who connects is told how many backends there are
	Why      string         // whose address this is, and why these backends
}

// Equal compares two rules in everything a listener acts on.
func (r Rule) Equal(other Rule) bool {
	return r.Listen == other.Listen && r.Service == other.Service && r.UID == other.UID &&
		slices.Equal(r.Backends, other.Backends) && r.Affinity == other.Affinity && slices.Equal(r.Sources, other.Sources) &&
		r.Health == other.Health
}

// String is the rule as one line: the address, its backends, what limits them, and why.
func (r Rule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s ->", r.Listen)
	switch {
	case r.Health:
		fmt.Fprintf(&b, " health check: %d local endpoints", len(r.Backends))
	case len(r.Backends) == 0:
		b.WriteString(" refused")
	}
	for i, backend := range r.Backends {
		if !r.Health {
			b.WriteString(map[bool]string{true: " ", false: ", "}[i == 0] + backend.String())
		}
	}
	if r.Affinity > 0 {
		fmt.Fprintf(&b, "; a client keeps its backend for %s", r.Affinity)
	}
	if len(r.Sources) > 0 {
		fmt.Fprintf(&b, "; from %v only", r.Sources)
	}
	return b.String() + "; because " + r.Why
}

// Refusal says what a Service asks for that it does not get.
type Refusal struct {
	Service types.NamespacedName
	UID     types.UID
	Why     string
}

// Table is everything the proxy does, ordered by address, and everything that it does not do.
type Table struct {
	Rules    []Rule
	Refusals []Refusal
}

// rules computes the table from all Services and EndpointSlices and from the nodes on whose addresses this proxy listens.
// The order of its arguments does not matter. Where two Services name one address, the older one has it.
func rules(limits Limits, services []*corev1.Service, endpointSlices []*discoveryv1.EndpointSlice, nodes []*corev1.Node) Table {
	services = slices.SortedFunc(slices.Values(services), func(a, b *corev1.Service) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	slicesOf := map[types.NamespacedName][]*discoveryv1.EndpointSlice{}
	for _, slice := range endpointSlices {
		service := types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		slicesOf[service] = append(slicesOf[service], slice)
	}
	here := poweredNodes(nodes)

	var table Table
	holder := map[Listen]types.NamespacedName{}
	for _, service := range services {
		name := types.NamespacedName{Namespace: service.Namespace, Name: service.Name}
		var refused []string
		refuse := func(why string) {
			if !slices.Contains(refused, why) { // ports and addresses share what is refused
				refused = append(refused, why)
				table.Refusals = append(table.Refusals, Refusal{Service: name, UID: service.UID, Why: why})
			}
		}
		if !hasAddresses(service) {
			continue
		}
		for _, port := range service.Spec.Ports {
			protocol := cmp.Or(port.Protocol, corev1.ProtocolTCP)
			if protocol != corev1.ProtocolTCP && protocol != corev1.ProtocolUDP {
				refuse(fmt.Sprintf("port %d has protocol %s; the proxy forwards TCP and UDP", port.Port, protocol))
				continue
			}
			for _, address := range addresses(limits, service, port, here) {
				if address.refused != "" {
					refuse(address.refused)
					continue
				}
				listen := Listen{IP: address.ip, Port: address.port, Protocol: protocol}
				if other, taken := holder[listen]; taken {
					if other != name {
						refuse(fmt.Sprintf("%s %s belongs to Service %s, which is older", address.kind, listen, other))
					}
					continue
				}
				holder[listen] = name
				rule := Rule{Listen: listen, Service: name, UID: service.UID, Affinity: affinity(service),
					Sources: address.sources}
				endpoints := endpointsOf(slicesOf[name], address.ip, port.Name, protocol)
				for _, why := range limits.keep(endpoints) {
					refuse(why)
				}
				var why string
				rule.Backends, why = backends(endpoints, address.nodes)
				rule.Why = fmt.Sprintf("it is the %s of Service %s, port %d: %s", address.kind, name, port.Port, why)
				table.Rules = append(table.Rules, rule)
			}
		}
		for _, rule := range healthRules(limits, service, slicesOf[name], here) {
			if _, taken := holder[rule.Listen]; !taken { // the API server gives a port to one Service only
				holder[rule.Listen] = name
				table.Rules = append(table.Rules, rule)
			}
		}
	}
	slices.SortFunc(table.Rules, func(a, b Rule) int { return compareListen(a.Listen, b.Listen) })
	return table
}

// hasAddresses says whether the proxy has anything to do for the Service: a headless one is for DNS alone, an ExternalName
// is a name, and one that is labelled for another proxy is that proxy's.
func hasAddresses(service *corev1.Service) bool {
	_, others := service.Labels[proxyNameLabel]
	return !others && service.Spec.Type != corev1.ServiceTypeExternalName &&
		service.Spec.ClusterIP != "" && service.Spec.ClusterIP != corev1.ClusterIPNone
}

// address is one place where a Service port can be reached.
type address struct {
	kind    string // as a reader calls it: "cluster address", "node port of node-1", …
	ip      string
	port    int32
	nodes   []string       // only endpoints on these nodes; nil means any
	sources []netip.Prefix // only these clients; nil means any
	refused string         // why nobody listens there; "" where somebody does
}

// addresses lists where one port of a Service is reached, given the nodes of this machine.
func addresses(limits Limits, service *corev1.Service, port corev1.ServicePort, here map[string][]string) []address {
	var internal, external []string // the nodes that a Local policy allows; nil where the policy is Cluster
	machine := make([]string, 0, len(here))
	for name := range here {
		machine = append(machine, name)
	}
	slices.Sort(machine)
	if p := service.Spec.InternalTrafficPolicy; p != nil && *p == corev1.ServiceInternalTrafficPolicyLocal {
		internal = machine
	}
	local := service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	if local {
		external = machine
	}

	var out []address
	for _, ip := range clusterIPs(service) {
		out = append(out, address{kind: "cluster address", ip: ip, port: port.Port, nodes: internal})
	}
	for _, ip := range service.Spec.ExternalIPs {
		out = append(out, address{kind: "external address", ip: ip, port: port.Port, nodes: external,
			refused: limits.external(ip)})
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IP == "" || (ingress.IPMode != nil && *ingress.IPMode == corev1.LoadBalancerIPModeProxy) {
			continue // a name, or an address whose load balancer sends to the node ports itself
		}
		out = append(out, address{kind: "load balancer address", ip: ingress.IP, port: port.Port, nodes: external,
			sources: sourceRanges(service), refused: limits.loadBalancer(ingress.IP)})
	}
	if port.NodePort == 0 {
		return out
	}
	for _, name := range machine {
		for _, ip := range here[name] {
			a := address{kind: "node port of " + name, ip: ip, port: port.NodePort, refused: limits.node(name, ip)}
			if local {
				a.nodes = []string{name}
			}
			out = append(out, a)
		}
	}
	return out
}

func clusterIPs(service *corev1.Service) []string {
	if len(service.Spec.ClusterIPs) > 0 {
		return service.Spec.ClusterIPs
	}
	return []string{service.Spec.ClusterIP}
}

// sourceRanges are the Service's loadBalancerSourceRanges. The API server lets only CIDRs through; surrounding blanks are
// allowed, as upstream.
func sourceRanges(service *corev1.Service) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range service.Spec.LoadBalancerSourceRanges {
		if prefix, err := netip.ParsePrefix(strings.TrimSpace(s)); err == nil {
			out = append(out, prefix.Masked())
		}
	}
	return out
}

func affinity(service *corev1.Service) time.Duration {
	if service.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	seconds := corev1.DefaultClientIPServiceAffinitySeconds
	if c := service.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		seconds = *c.ClientIP.TimeoutSeconds
	}
	return time.Duration(seconds) * time.Second
}

// poweredNodes are the internal addresses of the nodes that have power, by the node's name. A node whose Ready condition
// is Unknown has stopped answering, and a machine without power has no open ports.
func poweredNodes(nodes []*corev1.Node) map[string][]string {
	out := map[string][]string{}
	for _, node := range nodes {
		dark := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionUnknown
		})
		if dark {
			continue
		}
		out[node.Name] = nil
		for _, a := range node.Status.Addresses {
			if a.Type == corev1.NodeInternalIP {
				out[node.Name] = append(out[node.Name], a.Address)
			}
		}
	}
	return out
}

func hostPort(ip string, port int32) string { return net.JoinHostPort(ip, strconv.Itoa(int(port))) }

// compareIP orders addresses by their value, and texts that are none by the text.
func compareIP(a, b string) int {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX != nil || errY != nil {
		return cmp.Compare(a, b)
	}
	return x.Compare(y)
}
