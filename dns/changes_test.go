package dns

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// What a new zone changes is told in words, the names that somebody asks for first.
func TestChanges(t *testing.T) {
	zoneOf := func(services ...*corev1.Service) *zone { return newZone("cluster.local", services, nil) }
	named := service("shop", "front", "10.96.0.7")
	named.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}
	alias := service("shop", "out", "")
	alias.Spec.Type, alias.Spec.ExternalName = corev1.ServiceTypeExternalName, "example.org"
	headless := service("shop", "none", corev1.ClusterIPNone)
	for _, c := range []struct {
		name        string
		old, wanted *zone
		want        string
	}{
		{"nothing", zoneOf(named), zoneOf(named), ""},
		{"a service", zoneOf(), zoneOf(service("shop", "front", "10.96.0.7")),
			"front.shop.svc.cluster.local. is new: 10.96.0.7; 7.0.96.10.in-addr.arpa. is new: front.shop.svc.cluster.local.; " +
				"shop.svc.cluster.local. is new: no records; and 1 name more"},
		{"a named port", zoneOf(service("shop", "front", "10.96.0.7")), zoneOf(named),
			"_http._tcp.front.shop.svc.cluster.local. is new: front.shop.svc.cluster.local.:80; " +
				"_tcp.front.shop.svc.cluster.local. is new: no records"},
		{"another address", zoneOf(named), zoneOf(service("shop", "front", "10.96.0.8")),
			"front.shop.svc.cluster.local. is 10.96.0.8, was 10.96.0.7; _http._tcp.front.shop.svc.cluster.local. is gone, was " +
				"front.shop.svc.cluster.local.:80; 7.0.96.10.in-addr.arpa. is gone, was front.shop.svc.cluster.local.; " +
				"and 2 names more"},
		{"a service less", zoneOf(named, alias), zoneOf(named), "out.shop.svc.cluster.local. is gone, was an alias of example.org."},
		{"no endpoints", zoneOf(named), zoneOf(named, headless), "none.shop.svc.cluster.local. is new: no records"},
	} {
		require.Equal(t, c.want, between(c.old, c.wanted).String(), c.name)
	}
}
