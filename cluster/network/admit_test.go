package network

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAdmit(t *testing.T) {
	n := &Network{Mode: AnyIP, ServiceCIDR: prefix("10.96.0.0/16"), PodCIDR: prefix("10.244.0.0/16"),
		NodeCIDR: prefix("10.244.0.0/16"), Bridge: "mk-1", BridgeHere: true, expose: []netip.Prefix{prefix("192.168.0.0/16")}}
	_, n.APIServiceIP, n.DNSIP = serviceParts(n.ServiceCIDR)
	for _, c := range []struct {
		name, to, source, device string
		own, want                bool
		why                      string
	}{
		{"this machine", "10.96.0.9:80", "10.96.0.9", "lo", false, true, "it is this machine"},
		{"a container", "10.96.0.1:443", "10.244.1.2", "mk-1", false, true, "it is on the cluster's bridge mk-1"},
		{"a container of another bridge", "10.96.0.9:80", "172.17.0.2", "docker0", false, false,
			"it came in by docker0, from outside this machine; --expose does not name it"},
		{"a forged source", "10.96.0.9:80", "10.244.1.2", "eth0", false, false,
			"it came in by eth0, from outside this machine; --expose does not name it"},
		{"this machine at an external address", "203.0.113.1:80", "203.0.113.1", "eth0", true, true, "it is this machine"},
		{"exposed", "10.96.0.9:80", "192.168.1.1", "eth0", false, true, "--expose names it"},
		{"exposed to a node port", "10.244.1.1:30000", "192.168.1.1", "eth0", false, true, "--expose names it"},
		{"exposed, to the API server", "10.96.0.1:443", "192.168.1.1", "eth0", false, false,
			"it came in by eth0, from outside this machine, and --listen says from where the API server is reached"},
		{"exposed, to the name server", "10.96.0.10:53", "192.168.1.1", "eth0", false, false,
			"it came in by eth0, from outside this machine, and the control plane's own addresses are not exposed"},
		{"exposed, to the control plane", "10.244.0.1:6443", "192.168.1.1", "eth0", false, false,
			"it came in by eth0, from outside this machine, and the control plane's own addresses are not exposed"},
		{"exposed, to a kubelet", "10.244.1.1:10250", "192.168.1.1", "eth0", false, false,
			"it came in by eth0, from outside this machine, and a kubelet answers the API server alone"},
		{"exposed, to the loopback", "127.0.0.1:6443", "192.168.1.1", "eth0", false, false,
			"it came in by eth0, from outside this machine, and a loopback address means this machine"},
		{"a system that does not tell, this machine", "127.0.0.1:20000", "127.0.0.1", "", false, true, "it is this machine"},
		{"a system that does not tell, outside", "127.0.0.1:20000", "10.0.0.7", "", false, false,
			"it comes from outside this machine; --expose does not name it"},
	} {
		ok, why := n.admit(arrival{to: netip.MustParseAddrPort(c.to), source: netip.MustParseAddr(c.source), device: c.device, own: c.own})
		require.Equal(t, c.why, why, c.name)
		require.Equal(t, c.want, ok, c.name)
	}
}

func TestParseRanges(t *testing.T) {
	got, err := ParseRanges([]string{"192.168.0.0/16", "10.1.2.3"})
	require.NoError(t, err)
	require.Equal(t, []netip.Prefix{prefix("192.168.0.0/16"), prefix("10.1.2.3/32")}, got)
	_, err = ParseRanges([]string{"localhost"})
	require.EqualError(t, err, `"localhost" is no range of addresses: an example is 192.168.0.0/16`)
	_, err = ParseRanges([]string{"192.168.1.1/16"})
	require.EqualError(t, err, "192.168.1.1/16: the range that has this address is 192.168.0.0/16")
}
