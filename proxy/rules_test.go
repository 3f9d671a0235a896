package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"minik.dev/scenario"
)

// limits are those of the clusters of testdata/rules.
var limits = Limits{
	External:      []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
	LoadBalancers: []netip.Prefix{netip.MustParsePrefix("10.96.255.0/24")},
	Nodes:         []netip.Prefix{netip.MustParsePrefix("10.128.0.0/16")},
	Endpoints:     []netip.Prefix{netip.MustParsePrefix("10.128.0.0/16"), netip.MustParsePrefix("127.128.0.0/16")},
}

// TestRules reads each file of testdata/rules: prose, the objects there are, and the table that follows from them.
func TestRules(t *testing.T) {
	scenario.Sections(t, "testdata/rules/*.txt", func(t *testing.T, sections []txtar.File) {
		require.Len(t, sections, 2)
		services, endpointSlices, nodes := decode(t, sections[0].Data)
		table := rules(limits, services, endpointSlices, nodes)
		var got strings.Builder
		for _, rule := range table.Rules {
			fmt.Fprintln(&got, rule)
		}
		for _, refusal := range table.Refusals {
			fmt.Fprintf(&got, "refused to %s: %s\n", refusal.Service, refusal.Why)
		}
		sections[1].Data = []byte(got.String())
	})
}

func decode(t *testing.T, manifest []byte) ([]*corev1.Service, []*discoveryv1.EndpointSlice, []*corev1.Node) {
	var services []*corev1.Service
	var endpointSlices []*discoveryv1.EndpointSlice
	var nodes []*corev1.Node
	for _, document := range strings.Split(string(manifest), "\n---\n") {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(document), nil, nil)
		require.NoError(t, err, document)
		switch o := object.(type) {
		case *corev1.Service:
			services = append(services, o)
		case *discoveryv1.EndpointSlice:
			endpointSlices = append(endpointSlices, o)
		case *corev1.Node:
			nodes = append(nodes, o)
		default:
			t.Fatalf("%T has no place in a scenario of the proxy", object)
		}
	}
	return services, endpointSlices, nodes
}
