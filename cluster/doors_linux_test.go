package cluster

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"minik.dev/cluster/network"
	"minik.dev/kubelet/docker/dockertest"
)

// Every socket that a cluster's process waits at is one of those that docs/security.md names, and for each it is said who gets in.
// (That the others do not is tried by the tests of what comes from outside, and by that of etcd's socket.)
func TestEveryDoorIsKnown(t *testing.T) {
	for _, runtime := range []string{runtimeSim, runtimeDocker} {
		t.Run(runtime, func(t *testing.T) {
			s := newSite(t)
			s.runtime, s.routes = runtime, true
			if runtime == runtimeDocker {
				dockertest.Engine(t)
			}
			p := s.run(t, "up")
			client := s.client(t)
			_, err := client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: "web"},
				Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}}},
			}, metav1.CreateOptions{})
			require.NoError(t, err)
			text, err := os.ReadFile(filepath.Join(s.dir, "network.json"))
			require.NoError(t, err)
			var has ranges
			require.NoError(t, json.Unmarshal(text, &has))
			if !has.NodeCIDR.IsValid() {
				has.NodeCIDR = has.PodCIDR
			}
			_, err = client.DiscoveryV1().EndpointSlices("default").Create(t.Context(), &discoveryv1.EndpointSlice{
				ObjectMeta:  metav1.ObjectMeta{Name: "web", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
				AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Port: ptr.To[int32](80)}},
				Endpoints: []discoveryv1.Endpoint{{Addresses: []string{after(has.PodCIDR.Addr(), 258).String()}}},
			}, metav1.CreateOptions{})
			require.NoError(t, err)
			api, err := netip.ParseAddrPort(s.address(t))
			require.NoError(t, err)

			guarded := func() (doors map[string]string) {
				doors = map[string]string{}
				for _, door := range listeningOf(t, p.cmd.Process.Pid) {
					doors[door.name] = door.whoGetsIn(s.dir, api, has)
				}
				return doors
			}
			var doors map[string]string
			require.Eventually(t, func() bool {
				doors = guarded()
				return slices.ContainsFunc(mapValues(doors), func(who string) bool { return strings.Contains(who, "node port") })
			}, patience, patience/1000, "the service is listened on")
			for name, who := range doors {
				t.Logf("%-50s %s", name, who)
				require.NotEmpty(t, who, "%s is listened on, and nobody has said who gets in", name)
			}
			require.Contains(t, doors, "unix "+filepath.Join(s.dir, "etcd", "client.sock"))
			require.Contains(t, doors, "tcp "+api.String())
		})
	}
}

func mapValues(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// door is a socket that waits for others.
type door struct {
	name    string // "tcp 127.0.0.1:6443", "unix /path", "unix @abstract"
	kind    string
	address netip.AddrPort // of tcp and udp
	path    string         // of unix
}

// ranges are what a cluster's network.json says of its addresses.
type ranges struct{ ServiceCIDR, PodCIDR, NodeCIDR netip.Prefix }

// whoGetsIn says who is let in at the door; "" where nobody has said it.
func (d door) whoGetsIn(dir string, api netip.AddrPort, has ranges) string {
	if d.kind == "unix" {
		if d.path == filepath.Join(dir, "etcd", "client.sock") {
			return "this user: a file of mode 0600 in a directory of mode 0700"
		}
		return ""
	}
	controlPlane := has.PodCIDR.Addr().Next()
	switch addr, port := d.address.Addr(), d.address.Port(); {
	case d.address == api:
		return "who shows a certificate, as --listen says from where"
	case addr == controlPlane && port == api.Port() && d.kind == "tcp":
		return "this machine and pods, with a certificate or a token"
	case has.NodeCIDR.Contains(addr) && port == network.KubeletPort && d.kind == "tcp":
		return "the API server: a kubelet asks for its certificate"
	case addr == controlPlane && port == 53, has.ServiceCIDR.Contains(addr) && port == 53:
		return "this machine and pods: the name server"
	case has.ServiceCIDR.Contains(addr):
		return "this machine and pods, and who --expose names: a Service"
	case has.NodeCIDR.Contains(addr) && port >= 30000 && port <= 32767:
		return "this machine and pods, and who --expose names: a node port"
	}
	return ""
}

// listeningOf are the sockets at which the process waits.
func listeningOf(t *testing.T, pid int) (doors []door) {
	t.Helper()
	mine := map[string]bool{}
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	for _, fd := range open {
		if target, err := os.Readlink(fd); err == nil {
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				mine[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	rows := func(table string, each func(fields []string)) {
		file, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		require.NoError(t, err)
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			each(strings.Fields(lines.Text()))
		}
	}
	const listens, unconnected, accepts = "0A", "07", 1 << 16 // TCP_LISTEN, TCP_CLOSE, __SO_ACCEPTCON
	for table, state := range map[string]string{"tcp": listens, "tcp6": listens, "udp": unconnected, "udp6": unconnected} {
		rows(table, func(row []string) {
			if len(row) > 9 && row[3] == state && mine[row[9]] {
				kind := strings.TrimSuffix(table, "6")
				address := parseKernelAddress(t, row[1])
				doors = append(doors, door{name: kind + " " + address.String(), kind: kind, address: address})
			}
		})
	}
	rows("unix", func(row []string) {
		if len(row) < 8 || !mine[row[6]] { // one without a name is found by nobody
			return
		}
		flags, err := strconv.ParseInt(row[3], 16, 64)
		require.NoError(t, err)
		datagrams := row[4] == "0002"
		if flags&accepts != 0 || datagrams {
			doors = append(doors, door{name: "unix " + row[7], kind: "unix", path: row[7]})
		}
	})
	return doors
}

// parseKernelAddress reads "0100007F:192B": words of four bytes, each in the machine's order.
func parseKernelAddress(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	bytes, err := hex.DecodeString(host)
	require.NoError(t, err)
	for i := 0; i+4 <= len(bytes); i += 4 {
		slices.Reverse(bytes[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(net.IP(bytes))
	require.True(t, ok)
	n, err := strconv.ParseUint(port, 16, 16)
	require.NoError(t, err)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n))
}
