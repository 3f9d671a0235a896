package kubelet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// This file decides by what names a pod knows itself and others: /etc/hosts and /etc/resolv.conf of its containers.

const managedHosts = `# Kubernetes-managed hosts file.
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::0	ip6-localnet
fe00::0	ip6-mcastprefix
fe00::1	ip6-allnodes
fe00::2	ip6-allrouters
`

// hostsOf is the pod's /etc/hosts. node is the node's own, which pods on its network start from.
func hostsOf(pod *corev1.Pod, ips []string, domain, node string) string {
	var out strings.Builder
	if pod.Spec.HostNetwork {
		out.WriteString("# Kubernetes-managed hosts file (host network).\n" + node)
	} else {
		out.WriteString(managedHosts)
		name := hostnameOf(pod)
		for _, ip := range ips {
			if pod.Spec.Subdomain != "" {
				fmt.Fprintf(&out, "%s\t%s.%s.%s.svc.%s\t%s\n", ip, name, pod.Spec.Subdomain, pod.Namespace, domain, name)
			} else {
				fmt.Fprintf(&out, "%s\t%s\n", ip, name)
			}
		}
	}
	if len(pod.Spec.HostAliases) > 0 {
		out.WriteString("\n# Entries added by HostAliases.\n")
		for _, alias := range pod.Spec.HostAliases {
			fmt.Fprintf(&out, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
		}
	}
	return out.String()
}

// longestHostname is Linux's.
const longestHostname = 63

func hostnameOf(pod *corev1.Pod) string {
	name := pod.Spec.Hostname
	if name == "" {
		name = pod.Name
	}
	if len(name) > longestHostname {
		name = strings.TrimRight(name[:longestHostname], "-.")
	}
	return name
}

// resolver is a resolv.conf.
type resolver struct {
	servers, search, options []string
}

// warning is an Event about a pod.
type warning struct{ reason, message string }

// resolverOf is the pod's, by its dnsPolicy and dnsConfig, and what the pod's author should hear of it. Where the policy
// asks for the cluster's name servers and there are none, the node's are used, as upstream does. Where it asks for the
// node's and those are on the node's loopback only, which inside a pod is the pod itself, the cluster's are used without its
// search path: they pass on to the node's what they do not know. (A real node's kubelet is pointed at another resolv.conf.)
func resolverOf(pod *corev1.Pod, dns []netip.Addr, domain string, node resolver) (resolver, []warning) {
	var out resolver
	var warnings []warning
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
		out = resolver{servers: servers, search: node.search, options: node.options}
	case len(servers) == 0:
		out = node
		warnings = append(warnings, warning{"MissingClusterDNS", fmt.Sprintf("pod: %q. kubelet does not have ClusterDNS IP "+
			"configured and cannot create Pod using %q policy. Falling back to %q policy.", podRef(pod), policy, corev1.DNSDefault)})
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
func (r resolver) limited(warnings []warning) (resolver, []warning) {
	if len(r.servers) > mostServers {
		r.servers = r.servers[:mostServers]
		warnings = append(warnings, warning{"DNSConfigForming", "Nameserver limits were exceeded, some nameservers have been " +
			"omitted, the applied nameserver line is: " + strings.Join(r.servers, " ")})
	}
	if len(r.search) > mostSearch {
		r.search = r.search[:mostSearch]
		warnings = append(warnings, warning{"DNSConfigForming", "Search Line limits were exceeded, some search paths have been " +
			"omitted, the applied search line is: " + strings.Join(r.search, " ")})
	}
	return r, warnings
}

// with adds what the pod's dnsConfig names; an option replaces one of the same name.
func (r resolver) with(config *corev1.PodDNSConfig) resolver {
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

func (r resolver) String() string {
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
func parseResolver(text string, loopback bool) resolver {
	var out resolver
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
