package ipam_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"minik.dev/kubelet/ipam"
)

func take(t *testing.T, p *ipam.Pool, inUse func(netip.Addr) bool) string {
	t.Helper()
	addr, err := p.Take(inUse)
	require.NoError(t, err)
	return addr.String()
}

func TestAnAddressIsGivenAgainAfterAllOthers(t *testing.T) {
	p := ipam.New(netip.MustParsePrefix("10.244.1.0/29"))
	require.Equal(t, "10.244.1.1", p.Node().String())
	for _, want := range []string{"10.244.1.2", "10.244.1.3"} {
		require.Equal(t, want, take(t, p, nil))
	}
	p.Release(netip.MustParseAddr("10.244.1.2"))
	for _, want := range []string{"10.244.1.4", "10.244.1.5", "10.244.1.6", "10.244.1.2"} {
		require.Equal(t, want, take(t, p, nil), "the last address is for broadcasts, the first two are never given")
	}
	_, err := p.Take(nil)
	require.EqualError(t, err, "no pod address is free in 10.244.1.0/29: 5 are in use")
}

func TestAddressesInUseAreNotGiven(t *testing.T) {
	p := ipam.New(netip.MustParsePrefix("10.244.1.0/29"))
	require.True(t, p.Claim(netip.MustParseAddr("10.244.1.2")))
	require.False(t, p.Claim(netip.MustParseAddr("10.244.1.2")), "it is claimed")
	require.False(t, p.Claim(netip.MustParseAddr("10.244.2.2")), "it is another node's")
	known := map[netip.Addr]bool{netip.MustParseAddr("10.244.1.3"): true}
	require.Equal(t, "10.244.1.4", take(t, p, func(addr netip.Addr) bool { return known[addr] }))
	_, err := ipam.New(netip.MustParsePrefix("10.244.1.0/31")).Take(nil)
	require.Error(t, err, "there is no address but the network's and the node's")
}
