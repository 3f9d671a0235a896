package network

import (
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestChooseRange(t *testing.T) {
	used := []usedRange{{prefix("10.96.7.0/24"), "which is routed to wg0"}}
	got, err := chooseRange("service", "", netip.Prefix{}, AnyIP, 16, used)
	require.NoError(t, err)
	require.Equal(t, prefix("10.97.0.0/16"), got, "the next candidate")

	got, err = chooseRange("service", "", prefix("10.99.0.0/16"), AnyIP, 16, used)
	require.NoError(t, err)
	require.Equal(t, prefix("10.99.0.0/16"), got, "the one it had before")

	got, err = chooseRange("pod", "", prefix("10.192.0.0/16"), AnyIP, podBits(5000, false), used)
	require.NoError(t, err)
	require.Equal(t, prefix("10.192.0.0/11"), got, "grown in place")

	_, err = chooseRange("service", "10.96.0.0/16", netip.Prefix{}, AnyIP, 16, used)
	require.EqualError(t, err, "service range 10.96.0.0/16 overlaps 10.96.7.0/24, which is routed to wg0")
	for _, bad := range []string{"x", "10.96.0.1/16", "fd00::/16", "10.96.0.0/24", "127.96.0.0/16"} {
		_, err = chooseRange("service", bad, netip.Prefix{}, AnyIP, 16, nil)
		require.ErrorContains(t, err, bad)
	}
	_, err = chooseRange("pod", "", netip.Prefix{}, AnyIP, 16, []usedRange{{prefix("10.0.0.0/8"), "a VPN"}})
	require.ErrorContains(t, err, "none of 128 pod ranges is free")
}

func TestTwoClaimsDiffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "network.json")
	a, err := Claim(t.Context(), Options{Loopback: true, Path: path})
	require.NoError(t, err)
	b, err := Claim(t.Context(), Options{Loopback: true})
	require.NoError(t, err)
	defer b.Close()
	if a.Mode != Ports {
		require.False(t, a.ServiceCIDR.Overlaps(b.ServiceCIDR))
		require.False(t, a.PodCIDR.Overlaps(b.PodCIDR))
		_, err = Claim(t.Context(), Options{Mode: a.Mode, ServiceCIDR: b.ServiceCIDR.String()})
		require.ErrorContains(t, err, "another minik")
	}
	// Another process of the same cluster joins; after all have gone, a later start has the same again.
	joined, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, a.PodCIDR, joined.PodCIDR)
	require.NoError(t, joined.Close())
	require.NoError(t, a.Close())
	again, err := Claim(t.Context(), Options{Loopback: true, Path: path})
	require.NoError(t, err)
	defer again.Close()
	require.Equal(t, a.ServiceCIDR, again.ServiceCIDR)
}

func TestAddress(t *testing.T) {
	n := &Network{Mode: Loopback, ServiceCIDR: prefix("127.96.0.0/16"), PodCIDR: prefix("127.128.0.0/16"),
		NodeCIDR: prefix("127.128.0.0/16"), lowPort: 1024}
	require.Equal(t, "127.96.0.9:10080", n.Address("127.96.0.9", 80))
	require.Equal(t, "127.96.0.9:8080", n.Address("127.96.0.9", 8080))
	require.Equal(t, "127.0.0.1:80", n.Address("127.0.0.1", 80), "not the cluster's")
	ip, pods := n.Node(2)
	require.Equal(t, "127.128.2.1 127.128.2.0/24", ip.String()+" "+pods.String())
	_, none := n.Node(256)
	require.False(t, none.IsValid())
	require.ErrorContains(t, n.OpenNode(256), "room for nodes 1 to 255")

	p := &Network{Mode: Ports, ServiceCIDR: prefix("10.96.0.0/16"), PodCIDR: prefix("10.128.0.0/16"),
		NodeCIDR: prefix("10.128.0.0/16"), ports: map[string]int32{}, taken: map[int32]bool{}}
	first := p.Address("10.96.0.9", 80)
	require.Equal(t, first, p.Address("10.96.0.9", 80))
	require.NotEqual(t, first, p.Address("10.96.0.9", 81))
	require.Contains(t, first, "127.0.0.1:")

	listener, err := net.Listen("tcp", first)
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(first)
	require.NoError(t, err)
	for _, address := range []string{"10.96.0.9:80", first, "localhost:" + port} {
		conn, err := p.Dial(t.Context(), "tcp", address)
		require.NoError(t, err, address)
		require.Equal(t, first, conn.RemoteAddr().String(), address)
		require.NoError(t, conn.Close())
	}
	_, err = p.Dial(t.Context(), "udp", "10.96.0.9")
	require.ErrorContains(t, err, "missing port")
}
