package network

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/events"
	"minik.dev/kubelet/runtime"
)

// Resolver is a resolv.conf.
type Resolver struct {
	servers, search, options []string
}

// ResolverOf is the pod's, by its dnsPolicy and dnsConfig, and what the pod's author should hear of it. Where the policy
// asks for the cluster's name servers and there are none, the node's are used, as upstream does. Where it asks for the
// node's and those are on the node's loopback only, which inside a pod is the pod itself, the cluster's are used without its
// search path: they pass on to the node's what they do not know. (A real node's kubelet is pointed at another resolv.conf.)
func ResolverOf(pod *corev1.Pod, dns []netip.Addr, domain string, node Resolver) (Resolver, []events.Event) {
	var out Resolver
	var warnings []events.Event
	var servers []string
	for _, server := range dns {
		servers = append(servers, server.String())
	}
	policy := pod.Spec.DNSPolicy
	switch {
	case policy == "":
		policy = corev1.DNSClusterFirst
	case policy == corev1.DNSClusterFirst && pod.Spec.HostNetwork:
		policy = corev1.DNSDefault
	}
	switch {
	case policy == corev1.DNSNone:
	case policy == corev1.DNSDefault && len(node.servers) > 0:
		out = node
	case policy == corev1.DNSDefault:
		out = Resolver{servers: servers, search: node.search, options: node.options}
	case len(servers) == 0:
		out = node
		warnings = append(warnings, events.Warning("MissingClusterDNS", "pod: %q. kubelet does not have ClusterDNS IP "+
			"configured and cannot create Pod using %q policy. Falling back to %q policy.", runtime.PodRef(pod), policy, corev1.DNSDefault))
	default:
		out.servers = servers
		out.search = append([]string{pod.Namespace + ".svc." + domain, "svc." + domain, domain}, node.search...)
		out.options = []string{"ndots:5"}
	}
	return out.with(pod.Spec.DNSConfig).limited(warnings)
}

// What upstream gives a pod at most: the C library reads no more name servers.
const (
	mostServers = 3
	mostSearch  = 32
)

// limited leaves out what is too much, with a warning in upstream's words.
func (r Resolver) limited(warnings []events.Event) (Resolver, []events.Event) {
	if len(r.servers) > mostServers {
		r.servers = r.servers[:mostServers]
		warnings = append(warnings, events.Warning("DNSConfigForming", "Nameserver limits were exceeded, some nameservers have been "+
			"omitted, the applied nameserver line is: %s", strings.Join(r.servers, " ")))
	}
	if len(r.search) > mostSearch {
		r.search = r.search[:mostSearch]
		warnings = append(warnings, events.Warning("DNSConfigForming", "Search Line limits were exceeded, some search paths have been "+
			"omitted, the applied search line is: %s", strings.Join(r.search, " ")))
	}
	return r, warnings
}

// with adds what the pod's dnsConfig names; an option replaces one of the same name.
func (r Resolver) with(config *corev1.PodDNSConfig) Resolver {
	if config == nil {
		return r
	}
	r.servers = unique(slices.Concat(r.servers, config.Nameservers))
	r.search = unique(slices.Concat(r.search, config.Searches))
	options := slices.Clone(r.options)
	for _, o := range config.Options {
		options = slices.DeleteFunc(options, func(have string) bool {
			name, _, _ := strings.Cut(have, ":")
			return name == o.Name
		})
		text := o.Name
		if o.Value != nil && *o.Value != "" {
			text += ":" + *o.Value
		}
		options = append(options, text)
	}
	r.options = options
	return r
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (r Resolver) String() string {
	var out strings.Builder
	if len(r.search) > 0 {
		fmt.Fprintf(&out, "search %s\n", strings.Join(r.search, " "))
	}
	for _, server := range r.servers {
		fmt.Fprintf(&out, "nameserver %s\n", server)
	}
	if len(r.options) > 0 {
		fmt.Fprintf(&out, "options %s\n", strings.Join(r.options, " "))
	}
	return out.String()
}

// parseResolver reads a resolv.conf. Name servers on the loopback are left out unless they are asked for.
func parseResolver(text string, loopback bool) Resolver {
	var out Resolver
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if ip, err := netip.ParseAddr(words[1]); err == nil && (loopback || !ip.IsLoopback()) {
				out.servers = append(out.servers, words[1])
			}
		case "search", "domain":
			out.search = words[1:]
		case "options":
			out.options = append(out.options, words[1:]...)
		}
	}
	return out
}

// Where a machine keeps its name servers. The second one has those behind the local one of systemd.
var resolvPaths = [2]string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// NodeResolver is the machine's own. A name server on its loopback is of use to pods on its network only.
func NodeResolver(loopback bool) Resolver {
	var out Resolver
	for _, path := range resolvPaths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if out = parseResolver(string(text), loopback); len(out.servers) > 0 {
			return out
		}
	}
	return out
}
