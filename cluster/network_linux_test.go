package cluster

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

func ourRoutes(t *testing.T, n *Network) (out []string) {
	routes, err := allRoutes()
	require.NoError(t, err)
	for _, r := range routes {
		p, ok := toPrefix(r.Dst)
		if ok && r.Protocol == routeProtocol && (n.PodCIDR.Contains(p.Addr()) || n.ServiceCIDR.Contains(p.Addr())) {
			out = append(out, p.String())
		}
	}
	return out
}

// Routes make the ranges local, a crashed minik's are taken over, and Close leaves none.
func TestAnyIPRoutes(t *testing.T) {
	if problem := anyIPProblem(); problem != "" {
		t.Skip(problem)
	}
	n, err := ClaimNetwork(NetworkOptions{Mode: NetworkAnyIP})
	require.NoError(t, err)
	_, crashed := n.Node(3)
	require.NoError(t, netlink.RouteAdd(localRoute(crashed)))
	require.NoError(t, n.OpenServices())
	require.NoError(t, n.OpenServices())
	require.NoError(t, n.OpenNode(3))
	l, err := net.Listen("tcp", n.Address(n.DNSIP.String(), 53))
	require.NoError(t, err)
	l.Close()
	require.Len(t, ourRoutes(t, n), 3)
	require.NoError(t, n.Close())
	require.Empty(t, ourRoutes(t, n))
}

// routesLeft are the routes of a cluster that ended.
func routesLeft(t *testing.T, dataDir string) []string {
	saved, err := readSaved(filepath.Join(dataDir, "network.json"))
	require.NoError(t, err)
	return ourRoutes(t, &Network{ServiceCIDR: saved.ServiceCIDR, PodCIDR: saved.PodCIDR})
}
