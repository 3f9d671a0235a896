package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minik.dev/kubelet/docker"
)

// ourRoutes are minik's routes in the ranges of n, but for those of a cluster that has claimed a range since n gave it up:
// tests of other packages run at the same time.
func ourRoutes(t *testing.T, n *Network) (out []string) {
	release, err := lockClaims()
	require.NoError(t, err)
	defer release()
	others, _, err := otherClaims(n.owner)
	require.NoError(t, err)
	routes, err := allRoutes()
	require.NoError(t, err)
	for _, r := range routes {
		p, ok := toPrefix(r.Dst)
		if !ok || r.Protocol != routeProtocol || !n.PodCIDR.Contains(p.Addr()) && !n.ServiceCIDR.Contains(p.Addr()) {
			continue
		}
		if _, taken := overlapping(p, others); !taken {
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
	path := filepath.Join(t.TempDir(), "network.json")
	n, err := ClaimNetwork(t.Context(), NetworkOptions{Path: path, Mode: NetworkAnyIP})
	require.NoError(t, err)
	require.NoError(t, n.OpenServices())
	require.NoError(t, n.OpenNode(2))
	n.system.release() // as kill -9 does
	require.NotEmpty(t, ourRoutes(t, n))
	n, err = ClaimNetwork(t.Context(), NetworkOptions{Path: path, Mode: NetworkAnyIP})
	require.NoError(t, err)
	require.Empty(t, ourRoutes(t, n), "the crashed one's, where nothing listens any more")
	require.NoError(t, n.OpenServices())
	joined, err := LoadNetwork(path)
	require.NoError(t, err)
	require.NotEmpty(t, ourRoutes(t, n), "those of a cluster that runs")
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
	require.Len(t, ourRoutes(t, n), 4)
	require.NoError(t, n.Close())
	require.Empty(t, ourRoutes(t, n))
}

// routesLeft are the routes of a cluster that ended.
func routesLeft(t *testing.T, dataDir string) []string {
	path := filepath.Join(dataDir, "network.json")
	saved, err := readSaved(path)
	require.NoError(t, err)
	owner, err := clusterID(saved.Owner, path)
	require.NoError(t, err)
	return ourRoutes(t, &Network{owner: owner, ServiceCIDR: saved.ServiceCIDR, PodCIDR: saved.PodCIDR})
}

// engineHere makes bridges of its own, as an engine on this machine does.
type engineHere struct{ engineElsewhere }

// testBridge is this process' own.
var testBridge = fmt.Sprintf("mkt%d", os.Getpid())

func (e *engineHere) EnsureNetwork(ctx context.Context, o docker.NetworkOptions) (string, error) {
	if _, err := e.engineElsewhere.EnsureNetwork(ctx, o); err != nil {
		return "", err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = testBridge
	link := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(link); err != nil {
		if errors.Is(err, unix.EEXIST) {
			return testBridge, nil
		}
		return "", err
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: o.Gateway.AsSlice(), Mask: net.CIDRMask(o.Pods.Bits(), 32)}}
	return testBridge, errors.Join(netlink.AddrAdd(link, address), netlink.LinkSetUp(link))
}

func (e *engineHere) RemoveNetwork(ctx context.Context, cluster string) error {
	link, err := netlink.LinkByName(testBridge)
	return errors.Join(e.engineElsewhere.RemoveNetwork(ctx, cluster), err, netlink.LinkDel(link))
}

// With routes, nodes are on the bridge; after a crash the same start finds its bridge, and its end takes all of it away.
func TestBridgeWithNodesOnIt(t *testing.T) {
	if problem := anyIPProblem(); problem != "" {
		t.Skip(problem)
	}
	t.Cleanup(func() {
		if link, err := netlink.LinkByName(testBridge); err == nil { // the test has failed
			_ = netlink.LinkDel(link)
		}
	})
	path := filepath.Join(t.TempDir(), "network.json")
	options := NetworkOptions{Path: path, Mode: NetworkAnyIP, Engine: &engineHere{}}
	n, err := ClaimNetwork(t.Context(), options)
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
	again, err := ClaimNetwork(t.Context(), options)
	require.NoError(t, err)
	require.Empty(t, again.Describe())
	require.Equal(t, n.PodCIDR, again.PodCIDR, "its own bridge is not in its way")
	require.NoError(t, again.OpenNode(2))
	joined, err := LoadNetwork(path)
	require.NoError(t, err)
	require.NoError(t, joined.OpenNode(3))
	require.NoError(t, again.Close())
	require.True(t, hasAddress(testBridge, n.ControlPlaneIP()), "another process still needs the bridge")
	again.removeBridge, joined.removeBridge = nil, again.removeBridge
	require.NoError(t, joined.Close())
	require.False(t, hasAddress(testBridge, n.ControlPlaneIP()))
	require.Empty(t, ourRoutes(t, n))
}
