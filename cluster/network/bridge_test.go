package network

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/cluster/network/networktest"
	"minik.dev/kubelet/docker"
)

func TestNodesApart(t *testing.T) {
	apart, note := nodesApart(AnyIP, true)
	require.False(t, apart)
	require.Empty(t, note)

	apart, note = nodesApart(Loopback, true)
	require.True(t, apart)
	require.Equal(t, "inside containers ClusterIPs, node addresses and cluster DNS are not reached: they are addresses of this "+
		"machine's loopback", note)

	for _, mode := range []Mode{AnyIP, Loopback, Ports} {
		apart, note = nodesApart(mode, false)
		require.True(t, apart)
		require.Contains(t, note, "pod addresses are not reached from this machine")
	}
}

func TestPodRangeOnABridge(t *testing.T) {
	got, err := chooseRange("pod", "", netip.Prefix{}, onBridge, 16, nil)
	require.NoError(t, err)
	require.Equal(t, prefix("10.244.0.0/16"), got)
	got, err = chooseRange("pod", "", netip.Prefix{}, onBridge, 16, []usedRange{{prefix("10.244.9.0/24"), "a VPN"}})
	require.NoError(t, err)
	require.Equal(t, prefix("10.245.0.0/16"), got)
	_, err = chooseRange("pod", "127.3.0.0/16", netip.Prefix{}, onBridge, 16, nil)
	require.EqualError(t, err, "pod range 127.3.0.0/16: containers cannot have addresses of 127.0.0.0/8")
}

// Without routes, nodes have a range of their own; pods' ranges keep clear of the engine's other networks, and of another
// cluster's; a second start has the same; simulated pods later have the nodes' range, and the way back is as good.
func TestBridgeWithNodesApart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "network.json")
	engine := &networktest.Elsewhere{Ranges: []docker.NetworkRange{{Name: "theirs", Prefix: prefix("10.244.7.0/24")}}}
	options := Options{Path: path, Loopback: true, Engine: engine}
	a, err := Claim(t.Context(), options)
	require.NoError(t, err)
	require.False(t, a.PodCIDR.Overlaps(prefix("10.244.7.0/24")))
	require.False(t, a.ReachedByContainers())
	require.False(t, a.NodeCIDR.Overlaps(a.PodCIDR))
	ip, pods := a.Node(2)
	require.Equal(t, offset(a.NodeCIDR.Addr(), 2*256+1), ip)
	require.Equal(t, offset(a.PodCIDR.Addr(), 2*256), pods.Addr())
	require.Equal(t, offset(a.NodeCIDR.Addr(), 1), a.ControlPlaneIP())
	require.NoError(t, a.OpenNode(2))
	require.True(t, a.Owns(nodeAt(ip)))
	require.False(t, a.Owns(nodeAt(pods.Addr().Next())))
	pod := pods.Addr().Next().Next().String()
	require.Equal(t, pod+":80", a.Address(pod, 80), "a container has every port, whoever asks")

	b, err := Claim(t.Context(), Options{Loopback: true, Engine: engine})
	require.NoError(t, err)
	require.False(t, a.PodCIDR.Overlaps(b.PodCIDR), "two clusters on one engine")
	require.NotEqual(t, a.ID(), b.ID())
	require.NoError(t, b.Close())

	joined, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, []any{a.ID(), a.PodCIDR, a.NodeCIDR, a.Bridge, a.BridgeHere},
		[]any{joined.ID(), joined.PodCIDR, joined.NodeCIDR, joined.Bridge, joined.BridgeHere})
	require.NoError(t, joined.Close())
	require.NoError(t, a.Close())
	require.Len(t, engine.Ranges, 1, "the bridges of both are gone")

	options.Engine = nil
	sim, err := Claim(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, a.NodeCIDR, sim.PodCIDR)
	require.Empty(t, sim.Bridge)
	require.NoError(t, sim.Close())
	require.True(t, savedAt(t, path).Docker, "something may be left on the engine")

	options.Engine = engine
	again, err := Claim(t.Context(), options)
	require.NoError(t, err)
	engine.Left = 1
	defer func() {
		require.NoError(t, again.Close())
		require.Len(t, engine.Ranges, 2, "a bridge with containers stays")
	}()
	require.Equal(t, a.NodeCIDR, again.NodeCIDR)
	require.Equal(t, a.ServiceCIDR, again.ServiceCIDR)
}

// A data directory that an older minik wrote says nothing of nodes and bridges.
func TestSavedWithoutNodes(t *testing.T) {
	var s saved
	require.NoError(t, json.Unmarshal([]byte(`{"owner":"a","mode":"loopback","serviceCIDR":"127.96.0.0/16",`+
		`"podCIDR":"127.128.0.0/16"}`), &s))
	n := s.network("a")
	require.Equal(t, prefix("127.128.0.0/16"), n.NodeCIDR)
	require.False(t, s.pods(onBridge).IsValid(), "no range for containers")
}

func nodeAt(ip netip.Addr) *corev1.Node {
	return &corev1.Node{Status: corev1.NodeStatus{
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip.String()}},
	}}
}

func savedAt(t *testing.T, path string) (s saved) {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}
