package network

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/api"
)

// The fleet's addresses begin after those of all nodes that listen, and every node has room in the largest range.
func TestSimulatedAddresses(t *testing.T) {
	bits := podBits(MaxNodes+MaxSimulatedNodes, false)
	n := &Network{PodCIDR: netip.MustParsePrefix("10.128.0.0/9"), NodeCIDR: netip.MustParsePrefix("10.128.0.0/9")}
	require.Equal(t, 9, bits)
	_, last := n.Node(MaxNodes)
	ip, first := n.Simulated(1)
	require.Equal(t, "10.128.251.0/24", first.String())
	require.Equal(t, "10.128.251.1", ip.String())
	require.False(t, last.Overlaps(first))
	_, end := n.Simulated(MaxSimulatedNodes)
	require.True(t, n.PodCIDR.Overlaps(end))

	// On a bridge nothing of it is claimed, and nothing overlaps the bridge.
	n = &Network{Bridge: "br", PodCIDR: netip.MustParsePrefix("10.244.0.0/16"), NodeCIDR: netip.MustParsePrefix("10.244.0.0/16")}
	_, first = n.Simulated(1)
	require.Equal(t, "10.128.1.0/24", first.String())
	for _, i := range []int{1, 5000, MaxSimulatedNodes} {
		_, pods := n.Simulated(i)
		require.False(t, pods.Overlaps(n.PodCIDR), "%s", pods)
	}
}

// This machine listens for no simulated node, whatever its address and whether it has its taint still.
func TestSimulatedNodesAreNotOwned(t *testing.T) {
	n := &Network{NodeCIDR: netip.MustParsePrefix("10.128.0.0/9")}
	node := &corev1.Node{Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.128.1.1"}}}}
	require.True(t, n.Owns(node))
	node.ObjectMeta = metav1.ObjectMeta{Labels: map[string]string{api.Simulated: "true"}}
	require.False(t, n.Owns(node))
	node.ObjectMeta = metav1.ObjectMeta{Annotations: map[string]string{api.KWOKNode: api.KWOKFake}}
	require.False(t, n.Owns(node))
}
