package network

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"minik.dev/apiserver/passthrough"
)

func TestRefuseTargets(t *testing.T) {
	n := &Network{ServiceCIDR: prefix("10.96.0.0/16"), PodCIDR: prefix("10.128.0.0/16"), NodeCIDR: prefix("10.128.0.0/16")}
	onLoopback := &Network{ServiceCIDR: prefix("127.96.0.0/16"), PodCIDR: prefix("10.244.0.0/16"), NodeCIDR: prefix("127.128.0.0/16"),
		Bridge: "mk-1"}
	const kubelet, node, pod = passthrough.TargetKubelet, passthrough.TargetNode, passthrough.TargetPod
	foreign := []netip.Prefix{prefix("192.168.0.0/16"), prefix("0.0.0.0/0")}
	const noNode = " is no address of this cluster's nodes, which are in 10.128.0.0/16; --foreign-nodes names others"
	const noPod = " is no address of this cluster's pods and nodes, which are in 10.128.0.0/16; --foreign-nodes names others"
	for _, c := range []struct {
		n       *Network
		foreign []netip.Prefix
		what    passthrough.Target
		ip      string
		port    int32
		want    string
	}{
		{n, nil, kubelet, "10.128.1.1", 10250, ""},
		{n, nil, kubelet, "10.128.250.1", 10250, ""},
		{n, nil, kubelet, "10.128.251.1", 10250, "10.128.251.1" + noNode}, // simulated for scale
		{n, nil, kubelet, "10.128.1.1", 6443, "port 6443 is no kubelet's: those of this cluster listen on 10250"},
		{n, nil, kubelet, "10.128.1.1", 0, "0 is no port"},
		{n, nil, kubelet, "10.128.0.1", 6443, "10.128.0.1" + noNode}, // the API server
		{n, nil, kubelet, "10.128.1.2", 10250, "10.128.1.2" + noNode},
		{n, nil, kubelet, "10.96.0.1", 443, "10.96.0.1" + noNode},
		{n, nil, kubelet, "127.0.0.1", 10250, "127.0.0.1" + noNode},
		{n, nil, kubelet, "::ffff:127.0.0.1", 10250, "::ffff:127.0.0.1" + noNode},
		{n, nil, kubelet, "::1", 10250, "::1" + noNode},
		{n, nil, kubelet, "localhost", 10250, `"localhost" is no IP address, and names are not looked up`},
		{n, nil, kubelet, "127.1", 10250, `"127.1" is no IP address, and names are not looked up`},
		{n, nil, kubelet, "fe80::1%lo", 10250, `"fe80::1%lo" is no IP address, and names are not looked up`},
		{n, nil, kubelet, "192.168.1.9", 10250, "192.168.1.9" + noNode},
		{n, nil, node, "10.128.1.1", 9100, ""},
		{n, nil, node, "10.128.1.1", 70000, "70000 is no port"},
		{n, nil, node, "169.254.169.254", 80, "169.254.169.254" + noNode},
		{n, nil, pod, "10.128.1.2", 80, ""},
		{n, nil, pod, "10.128.1.1", 80, ""}, // on the host's network
		{n, nil, pod, "10.128.0.1", 6443, "10.128.0.1" + noPod},
		{n, nil, pod, "10.96.0.1", 443, "10.96.0.1" + noPod},
		{n, nil, pod, "169.254.169.254", 80, "169.254.169.254" + noPod},
		{n, nil, pod, "0.0.0.0", 80, "0.0.0.0" + noPod},

		{n, foreign, kubelet, "192.168.1.9", 10250, ""},
		{n, foreign, kubelet, "192.168.1.9", 6443, "port 6443 is the API server's own, and no kubelet's"},
		{n, foreign, pod, "203.0.113.7", 80, ""},
		{n, foreign, pod, "127.0.0.1", 80, "127.0.0.1" + noPod},
		{n, foreign, pod, "169.254.169.254", 80, "169.254.169.254" + noPod},
		{n, foreign, kubelet, "10.128.0.1", 10250, "10.128.0.1" + noNode},
		{n, []netip.Prefix{prefix("127.0.0.1/32")}, kubelet, "127.0.0.1", 10251, ""}, // somebody means it

		{onLoopback, nil, kubelet, "127.128.1.1", 10250, ""},
		{onLoopback, nil, kubelet, "127.128.0.1", 10250,
			"127.128.0.1 is no address of this cluster's nodes, which are in 127.128.0.0/16; --foreign-nodes names others"},
		{onLoopback, nil, pod, "10.244.1.2", 80, ""},
		{onLoopback, nil, pod, "127.128.1.1", 80, ""},
		{onLoopback, nil, pod, "127.0.0.1", 80,
			"127.0.0.1 is no address of this cluster's pods and nodes, which are in 10.244.0.0/16; --foreign-nodes names others"},
	} {
		got := targets{c.n, c.foreign, 6443}.refuse(c.what, c.ip, c.port)
		require.Equal(t, c.want, got, "%s %s:%d, foreign nodes %v", c.what, c.ip, c.port, c.foreign)
	}
}
