package kubelet

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

func webPod(change func(*corev1.PodSpec)) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name, pod.UID = "shop", "web", "u1"
	change(&pod.Spec)
	return pod
}

// https://kubernetes.io/docs/tasks/network/customize-hosts-file-for-pods/
func TestHosts(t *testing.T) {
	aliases := []corev1.HostAlias{{IP: "10.1.2.3", Hostnames: []string{"foo.remote", "bar.remote"}}}
	for name, test := range map[string]struct {
		change func(*corev1.PodSpec)
		want   string
	}{
		"a pod":        {func(*corev1.PodSpec) {}, managedHosts + "10.244.1.2\tweb\n"},
		"with a name":  {func(s *corev1.PodSpec) { s.Hostname = "front" }, managedHosts + "10.244.1.2\tfront\n"},
		"long name":    {func(s *corev1.PodSpec) { s.Hostname = strings.Repeat("a", 62) + "-b" }, managedHosts + "10.244.1.2\t" + strings.Repeat("a", 62) + "\n"},
		"in subdomain": {func(s *corev1.PodSpec) { s.Subdomain = "db" }, managedHosts + "10.244.1.2\tweb.db.shop.svc.cluster.local\tweb\n"},
		"with aliases": {func(s *corev1.PodSpec) { s.HostAliases = aliases },
			managedHosts + "10.244.1.2\tweb\n\n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n"},
		"on the node's network": {func(s *corev1.PodSpec) { s.HostNetwork, s.HostAliases = true, aliases },
			"# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n" +
				"\n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, hostsOf(webPod(test.change), []string{"10.244.1.2"}, "cluster.local", "127.0.0.1 node\n"))
		})
	}
}

// https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-policy
func TestResolver(t *testing.T) {
	const (
		cluster = "search shop.svc.cluster.local svc.cluster.local cluster.local lan\nnameserver 10.96.0.10\noptions ndots:5\n"
		own     = "search lan\nnameserver 192.0.2.1\noptions rotate\n"
	)
	policy := func(p corev1.DNSPolicy, host bool) func(*corev1.PodSpec) {
		return func(s *corev1.PodSpec) { s.DNSPolicy, s.HostNetwork = p, host }
	}
	for name, test := range map[string]struct {
		change func(*corev1.PodSpec)
		want   string
	}{
		"no policy":                  {policy("", false), cluster},
		"ClusterFirst":               {policy(corev1.DNSClusterFirst, false), cluster},
		"ClusterFirst, node network": {policy(corev1.DNSClusterFirst, true), own},
		"ClusterFirstWithHostNet":    {policy(corev1.DNSClusterFirstWithHostNet, true), cluster},
		"Default":                    {policy(corev1.DNSDefault, false), own},
		"None":                       {policy(corev1.DNSNone, false), ""},
		"None, with a configuration": {func(s *corev1.PodSpec) {
			s.DNSPolicy = corev1.DNSNone
			s.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.7"}, Searches: []string{"my.dns"},
				Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: ptr.To("2")}, {Name: "edns0"}}}
		}, "search my.dns\nnameserver 192.0.2.7\noptions ndots:2 edns0\n"},
		"ClusterFirst, with a configuration": {func(s *corev1.PodSpec) {
			s.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"10.96.0.10", "192.0.2.7"}, Searches: []string{"lan", "my.dns"},
				Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: ptr.To("2")}}}
		}, "search shop.svc.cluster.local svc.cluster.local cluster.local lan my.dns\n" +
			"nameserver 10.96.0.10\nnameserver 192.0.2.7\noptions ndots:2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			node := parseResolver("# mine\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch lan\noptions rotate\n", false)
			got, warnings := resolverOf(webPod(test.change), []netip.Addr{netip.MustParseAddr("10.96.0.10")}, "cluster.local", node)
			require.Equal(t, test.want, got.String())
			require.Empty(t, warnings)
		})
	}
}

func TestResolverThatIsNotAsAskedFor(t *testing.T) {
	node := resolver{servers: []string{"192.0.2.1"}}
	got, warnings := resolverOf(webPod(func(s *corev1.PodSpec) { s.DNSPolicy = corev1.DNSClusterFirst }), nil, "cluster.local", node)
	require.Equal(t, node.servers, got.servers)
	require.Equal(t, []warning{{"MissingClusterDNS", `pod: "web_shop(u1)". kubelet does not have ClusterDNS IP configured ` +
		`and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.`}}, warnings)

	// The node's only name server is its own loopback: a pod asks the cluster's, but one on the node's network the node's.
	const local = "nameserver 127.0.0.53\nsearch lan\n"
	dns := []netip.Addr{netip.MustParseAddr("10.96.0.10")}
	byNode := webPod(func(s *corev1.PodSpec) { s.DNSPolicy = corev1.DNSDefault })
	got, warnings = resolverOf(byNode, dns, "cluster.local", parseResolver(local, false))
	require.Equal(t, "search lan\nnameserver 10.96.0.10\n", got.String())
	require.Empty(t, warnings)
	got, _ = resolverOf(byNode, dns, "cluster.local", parseResolver(local, true))
	require.Equal(t, "search lan\nnameserver 127.0.0.53\n", got.String())

	many := webPod(func(s *corev1.PodSpec) {
		s.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}}
	})
	got, warnings = resolverOf(many, dns, "cluster.local", resolver{})
	require.Equal(t, []string{"10.96.0.10", "192.0.2.1", "192.0.2.2"}, got.servers)
	require.Equal(t, []warning{{"DNSConfigForming", "Nameserver limits were exceeded, some nameservers have been omitted, " +
		"the applied nameserver line is: 10.96.0.10 192.0.2.1 192.0.2.2"}}, warnings)
}
