package admission

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
)

// lonely is a cluster in which no other service has anything.
type lonely struct{ Reader }

func (lonely) Each(string, string, func(resources.Object)) {}

// give asks for what a service is given on creation, or on an update of old.
func give(service, old *corev1.Service) error {
	chain := NewChain(Options{Reader: lonely{}, Services: netip.MustParsePrefix("10.96.0.0/16"), IntN: func(int) int { return 0 }})
	r := &Request{
		Row: &resources.Resource{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, Plural: "services"}, Verb: "create", Object: service,
	}
	if old != nil {
		r.Old = old
	}
	return chain.Allocate(context.Background(), r)
}

func clusterIP(ips []string, families ...corev1.IPFamily) *corev1.Service {
	s := &corev1.Service{Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, ClusterIPs: ips, IPFamilies: families, Selector: map[string]string{"app": "web"},
		Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP}},
	}}
	if len(ips) > 0 {
		s.Spec.ClusterIP = ips[0]
	}
	return s
}

// What the families and the policy become: docs/concepts/services-networking/dual-stack of Kubernetes, on a cluster of one family.
func TestFamiliesOfServices(t *testing.T) {
	s := clusterIP(nil)
	require.NoError(t, give(s, nil))
	require.Equal(t, []string{"10.96.1.0"}, s.Spec.ClusterIPs)
	require.Equal(t, []corev1.IPFamily{corev1.IPv4Protocol}, s.Spec.IPFamilies)
	require.Equal(t, corev1.IPFamilyPolicySingleStack, *s.Spec.IPFamilyPolicy)

	s = clusterIP([]string{corev1.ClusterIPNone})
	s.Spec.Selector = nil
	require.NoError(t, give(s, nil), "a headless service without a selector may have endpoints of any family")
	require.Equal(t, []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}, s.Spec.IPFamilies)
	require.Equal(t, corev1.IPFamilyPolicyRequireDualStack, *s.Spec.IPFamilyPolicy)

	required := clusterIP(nil)
	required.Spec.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyRequireDualStack)
	for want, wrong := range map[string]*corev1.Service{
		"spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services":      required,
		"spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster":                                           clusterIP(nil, corev1.IPv6Protocol),
		"spec.clusterIPs[0]: Invalid value: [\"2001:db8::7\"]: IPv6 is not configured on this cluster":                          clusterIP([]string{"2001:db8::7"}),
		"must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified":                               clusterIP([]string{"10.96.0.7", "2001:db8::7"}),
		"spec.clusterIPs: Invalid value: [\"10.96.0.0\"]: failed to allocate IP 10.96.0.0: the provided network does not match": clusterIP([]string{"10.96.0.0"}),
		"failed to allocate IP 10.97.0.1: the provided network does not match the current range":                                clusterIP([]string{"10.97.0.1"}),
		"expected an IPv4 value as indicated by `ipFamilies[0]`":                                                                clusterIP([]string{"2001:db8::7"}, corev1.IPv4Protocol),
	} {
		require.ErrorContains(t, give(wrong, nil), want)
	}

	old := clusterIP([]string{"10.96.0.7", "2001:db8::7"}, corev1.IPv4Protocol, corev1.IPv6Protocol)
	old.Spec.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyPreferDualStack)
	s = old.DeepCopy()
	require.NoError(t, give(s, old), "nothing changes, so nothing is asked of the cluster")
	s.Spec.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicySingleStack)
	require.NoError(t, give(s, old), "the policy alone says that the second address may go")
	require.Equal(t, []string{"10.96.0.7"}, s.Spec.ClusterIPs)
}

func TestNodePortsOfServices(t *testing.T) {
	s := clusterIP(nil)
	s.Spec.Type = corev1.ServiceTypeNodePort
	s.Spec.Ports = []corev1.ServicePort{
		{Port: 53, Protocol: corev1.ProtocolTCP}, {Port: 53, Protocol: corev1.ProtocolUDP, NodePort: 30053}, {Port: 80, Protocol: corev1.ProtocolTCP},
	}
	require.NoError(t, give(s, nil))
	require.Equal(t, []int32{30053, 30053, 30000}, []int32{s.Spec.Ports[0].NodePort, s.Spec.Ports[1].NodePort, s.Spec.Ports[2].NodePort},
		"ports that differ in their protocol share a number")

	s = clusterIP(nil)
	s.Spec.Type = corev1.ServiceTypeNodePort
	s.Spec.Ports[0].NodePort = 80
	require.ErrorContains(t, give(s, nil), "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767")
	require.NoError(t, give(s, s.DeepCopy()), "what a service had, it keeps")

	s.Spec.Ports = []corev1.ServicePort{{Port: 80, NodePort: 30080}, {Port: 81, NodePort: 30080}}
	require.ErrorContains(t, give(s, nil), "spec.ports[1].nodePort: Invalid value: 30080: provided port is already allocated")

	s = clusterIP(nil)
	s.Spec.Type, s.Spec.AllocateLoadBalancerNodePorts = corev1.ServiceTypeLoadBalancer, ptr.To(false)
	s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	require.NoError(t, give(s, nil))
	require.Zero(t, s.Spec.Ports[0].NodePort)
	require.NotZero(t, s.Spec.HealthCheckNodePort)
	s.Spec.HealthCheckNodePort = 80
	require.ErrorContains(t, give(s, nil), "spec.healthCheckNodePort: Invalid value: 80: provided port is not in the valid range")
}
