package network

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/events"
)

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
			got, warnings := ResolverOf(webPod(test.change), []netip.Addr{netip.MustParseAddr("10.96.0.10")}, "cluster.local", node)
			require.Equal(t, test.want, got.String())
			require.Empty(t, warnings)
		})
	}
}

func TestResolverThatIsNotAsAskedFor(t *testing.T) {
	node := Resolver{servers: []string{"192.0.2.1"}}
	got, warnings := ResolverOf(webPod(func(s *corev1.PodSpec) { s.DNSPolicy = corev1.DNSClusterFirst }), nil, "cluster.local", node)
	require.Equal(t, node.servers, got.servers)
	require.Equal(t, []events.Event{events.Warning("MissingClusterDNS", "%s", `pod: "web_shop(u1)". kubelet does not have ClusterDNS IP configured `+
		`and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.`)}, warnings)

	// The node's only name server is its own loopback: a pod asks the cluster's, but one on the node's network the node's.
	const local = "nameserver 127.0.0.53\nsearch lan\n"
	dns := []netip.Addr{netip.MustParseAddr("10.96.0.10")}
	byNode := webPod(func(s *corev1.PodSpec) { s.DNSPolicy = corev1.DNSDefault })
	got, warnings = ResolverOf(byNode, dns, "cluster.local", parseResolver(local, false))
	require.Equal(t, "search lan\nnameserver 10.96.0.10\n", got.String())
	require.Empty(t, warnings)
	got, _ = ResolverOf(byNode, dns, "cluster.local", parseResolver(local, true))
	require.Equal(t, "search lan\nnameserver 127.0.0.53\n", got.String())

	many := webPod(func(s *corev1.PodSpec) {
		s.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}}
	})
	got, warnings = ResolverOf(many, dns, "cluster.local", Resolver{})
	require.Equal(t, []string{"10.96.0.10", "192.0.2.1", "192.0.2.2"}, got.servers)
	require.Equal(t, []events.Event{events.Warning("DNSConfigForming", "%s", "Nameserver limits were exceeded, some nameservers have been omitted, "+
		"the applied nameserver line is: 10.96.0.10 192.0.2.1 192.0.2.2")}, warnings)
}
