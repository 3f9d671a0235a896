package network

import (
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"minik.dev/cluster/network/networktest"
)

// routesOf are minik's routes in the ranges of n.
func routesOf(t *testing.T, n *Network) []netip.Prefix {
	routes, err := ownRoutes(n.owner, n.ServiceCIDR, n.PodCIDR)
	require.NoError(t, err)
	return routes
}

// Routes make the ranges local, a crashed minik's are taken over, and Close leaves none.
func TestAnyIPRoutes(t *testing.T) {
	if problem := anyIPProblem(); problem != "" {
		t.Skip(problem)
	}
	path := filepath.Join(t.TempDir(), "network.json")
	n, err := Claim(t.Context(), Options{Path: path, Mode: AnyIP})
	require.NoError(t, err)
	require.NoError(t, n.OpenServices())
	require.NoError(t, n.OpenNode(2))
	n.system.release() // as kill -9 does
	require.NotEmpty(t, routesOf(t, n))
	n, err = Claim(t.Context(), Options{Path: path, Mode: AnyIP})
	require.NoError(t, err)
	require.Empty(t, routesOf(t, n), "the crashed one's, where nothing listens any more")
	require.NoError(t, n.OpenServices())
	joined, err := Load(path)
	require.NoError(t, err)
	require.NotEmpty(t, routesOf(t, n), "those of a cluster that runs")
	require.NoError(t, joined.Close())
	require.NoError(t, n.OpenServices())
	require.NoError(t, n.OpenNode(3))
	l, err := net.Listen("tcp", n.Address(n.DNSIP.String(), 53))
	require.NoError(t, err)
	l.Close()
	// A node that is not there, and its pods, are nowhere: not even where the default route leads.
	missing, _ := n.Node(4)
	for _, address := range []string{missing.String(), missing.Next().String()} {
		_, err = net.Dial("udp", net.JoinHostPort(address, "80"))
		require.ErrorIs(t, err, unix.EHOSTUNREACH)
	}
	require.Len(t, routesOf(t, n), 4)
	require.NoError(t, n.Close())
	require.Empty(t, routesOf(t, n))
}

// With routes, nodes are on the bridge; after a crash the same start finds its bridge, and its end takes all of it away.
func TestBridgeWithNodesOnIt(t *testing.T) {
	if problem := anyIPProblem(); problem != "" {
		t.Skip(problem)
	}
	t.Cleanup(func() {
		if link, err := netlink.LinkByName(networktest.Bridge); err == nil { // the test has failed
			_ = netlink.LinkDel(link)
		}
	})
	path := filepath.Join(t.TempDir(), "network.json")
	options := Options{Path: path, Mode: AnyIP, Engine: &networktest.Here{}}
	n, err := Claim(t.Context(), options)
	require.NoError(t, err)
	require.True(t, n.ReachedByContainers())
	require.Equal(t, n.PodCIDR, n.NodeCIDR)
	require.NoError(t, n.OpenServices())
	require.NoError(t, n.OpenNode(2))
	require.NoError(t, n.OpenNode(2))
	for _, address := range []string{n.ControlPlaneIP().String(), offset(n.PodCIDR.Addr(), 2*256+1).String(),
		n.APIServiceIP.String()} {
		l, err := net.Listen("tcp", n.Address(address, 10250))
		require.NoError(t, err, "%s is not local", address)
		l.Close()
	}
	_, err = net.Listen("tcp", offset(n.PodCIDR.Addr(), 2*256+2).String()+":80")
	require.ErrorIs(t, err, unix.EADDRNOTAVAIL, "a container's address")
	n.lowPort = 1024
	require.Equal(t, offset(n.PodCIDR.Addr(), 2*256+1).String()+":10080", n.Address(offset(n.PodCIDR.Addr(), 2*256+1).String(), 80))
	require.Equal(t, offset(n.PodCIDR.Addr(), 2*256+2).String()+":80", n.Address(offset(n.PodCIDR.Addr(), 2*256+2).String(), 80))

	n.system.release() // as kill -9 does
	again, err := Claim(t.Context(), options)
	require.NoError(t, err)
	require.Empty(t, again.Describe())
	require.Equal(t, n.PodCIDR, again.PodCIDR, "its own bridge is not in its way")
	require.NoError(t, again.OpenNode(2))
	joined, err := Load(path)
	require.NoError(t, err)
	require.NoError(t, joined.OpenNode(3))
	require.NoError(t, again.Close())
	require.True(t, hasAddress(networktest.Bridge, n.ControlPlaneIP()), "another process still needs the bridge")
	again.removeBridge, joined.removeBridge = nil, again.removeBridge
	require.NoError(t, joined.Close())
	require.False(t, hasAddress(networktest.Bridge, n.ControlPlaneIP()))
	require.Empty(t, routesOf(t, n))
}
