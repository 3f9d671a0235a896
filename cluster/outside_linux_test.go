package cluster

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"minik.dev/cluster/network"
	"minik.dev/cluster/network/networktest"
)

// machine is another machine: a network namespace with a cable to this one, which has an end on each side.
type machine struct {
	t           *testing.T
	namespace   *os.File
	here, there netip.Addr // the cable's ends
	device      string     // the cable's end on this side
	number      int        // among those of this process
}

var machines atomic.Int32

// newMachine makes one that sends what is for the routes to this machine; everything is gone when the test ends.
func newMachine(t *testing.T, routes ...netip.Prefix) *machine {
	m := newCable(t)
	cable := after(netip.MustParseAddr("198.18.0.0"), (os.Getpid()*8+m.number)%(1<<15)*4) // 198.18.0.0/15 is for tests (RFC 2544)
	m.here, m.there = cable.Next(), cable.Next().Next()
	m.plug(m.device, netip.PrefixFrom(m.here, 30))
	m.do(func() {
		m.plug("out0", netip.PrefixFrom(m.there, 30))
		for _, route := range routes {
			m.route(route, m.here)
		}
	})
	return m
}

// newContainer makes a machine on the cluster's bridge, as containers of pods are.
func newContainer(t *testing.T, n *network.Network, address netip.Addr) *machine {
	m := newCable(t)
	m.here, m.there = n.PodCIDR.Addr().Next(), address
	bridge, err := netlink.LinkByName(n.Bridge)
	require.NoError(t, err)
	end, err := netlink.LinkByName(m.device)
	require.NoError(t, err)
	require.NoError(t, errors.Join(netlink.LinkSetMaster(end, bridge), netlink.LinkSetUp(end)))
	m.do(func() {
		m.plug("out0", netip.PrefixFrom(address, n.PodCIDR.Bits()))
		m.route(prefix("0.0.0.0/0"), m.here)
	})
	return m
}

// newCable makes a machine that only has an end of a cable.
func newCable(t *testing.T) *machine {
	if n, err := network.Claim(t.Context(), network.Options{Mode: network.AnyIP}); err != nil {
		t.Skipf("making another machine: %v", err)
	} else {
		require.NoError(t, n.Close())
	}
	m := &machine{t: t, number: int(machines.Add(1))}
	m.device = fmt.Sprintf("mk%dx%d", os.Getpid(), m.number)
	var err error
	m.namespace, err = newNamespace()
	if errors.Is(err, unix.EPERM) {
		t.Skipf("making another machine: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { m.namespace.Close() })
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: m.device}, PeerName: "out0",
		PeerNamespace: netlink.NsFd(int(m.namespace.Fd()))}
	require.NoError(t, netlink.LinkAdd(link))
	t.Cleanup(func() { require.NoError(t, netlink.LinkDel(link)) })
	return m
}

// plug gives an end of the cable its address. Nothing but the cluster itself shall keep anybody out: sources are not checked,
// and 127.0.0.0/8 is an address as any other, as kube-proxy has it on its nodes (CVE-2020-8558).
func (m *machine) plug(device string, address netip.Prefix) {
	end, err := netlink.LinkByName(device)
	require.NoError(m.t, err)
	ip := &netlink.Addr{IPNet: ipNet(address)}
	require.NoError(m.t, errors.Join(netlink.AddrAdd(end, ip), netlink.LinkSetUp(end)))
	for _, setting := range []string{"rp_filter=0", "route_localnet=1"} {
		name, value, _ := strings.Cut(setting, "=")
		require.NoError(m.t, os.WriteFile("/proc/sys/net/ipv4/conf/"+device+"/"+name, []byte(value), 0))
	}
}

func (m *machine) route(to netip.Prefix, by netip.Addr) {
	end, err := netlink.LinkByName("out0")
	require.NoError(m.t, err)
	require.NoError(m.t, netlink.RouteAdd(&netlink.Route{LinkIndex: end.Attrs().Index, Gw: by.AsSlice(), Dst: ipNet(to)}))
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// after is the address n after an IPv4 address.
func after(a netip.Addr, n int) netip.Addr {
	four := a.As4()
	binary.BigEndian.PutUint32(four[:], binary.BigEndian.Uint32(four[:])+uint32(n))
	return netip.AddrFrom4(four)
}

// newNamespace makes a network namespace without anything in it. It lives as long as the file is open.
func newNamespace() (namespace *os.File, err error) {
	inNamespace(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func(enterErr error) {
		if err = enterErr; err == nil {
			namespace, err = os.Open("/proc/thread-self/ns/net")
		}
	})
	return namespace, err
}

// inNamespace calls f on a thread that has entered another network namespace, and takes it back.
func inNamespace(enter func() error, f func(error)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		own, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			f(err)
			return
		}
		defer own.Close()
		defer func() { // one that cannot come back ends with this goroutine
			if unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
		}()
		f(enter())
	}()
	<-done
}

// do calls f on that machine: sockets that f itself opens are there.
func (m *machine) do(f func()) {
	enter := func() error { return unix.Setns(int(m.namespace.Fd()), unix.CLONE_NEWNET) }
	inNamespace(enter, func(err error) {
		if err != nil {
			m.t.Errorf("entering the other machine: %v", err)
			return
		}
		f()
	})
}

// target is something of a cluster that listens, and how to get an answer from it.
type target struct {
	name    string
	address string
	ask     func(address string) error
}

func (g target) String() string { return g.name + " " + g.address }

// silence is how long one waits for an answer to a datagram that should not come. Waiting longer changes nothing: answers on
// one machine take microseconds.
const silence = 300 * time.Millisecond

// askTLS returns when the server has shown its certificate.
func askTLS(address string) error {
	dialer := &net.Dialer{Timeout: patience}
	conn, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		conn.Close()
	}
	return err
}

// askTCP says something over HTTP, and returns when there was an answer.
func askTCP(address string) error {
	conn, err := (&net.Dialer{Timeout: patience}).Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// askUDP sends a datagram, and returns when there was an answer.
func askUDP(address string) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(silence))
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// askDNS asks for a name of the cluster's. Who gets an answer gets one about all other names, too.
func askDNS(network string) func(address string) error {
	return func(address string) error {
		question := new(dns.Msg).SetQuestion("kubernetes.default.svc.cluster.local.", dns.TypeA)
		_, _, err := (&dns.Client{Net: network, Timeout: silence}).Exchange(question, address)
		return err
	}
}

// everything runs a pod and Services of every type, and lists all that listens in the cluster: what --expose may open,
// and what it may not.
func everything(t *testing.T, c *Cluster, client kubernetes.Interface) (services, closed []target) {
	ctx := t.Context()
	pod, err := client.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "c", Image: "web", Ports: []corev1.ContainerPort{
			{ContainerPort: 8080, HostPort: 8088}, {ContainerPort: 8053, Protocol: corev1.ProtocolUDP, HostPort: 8054}}}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	service, err := client.CoreV1().Services("default").Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Selector: pod.Labels, Ports: []corev1.ServicePort{
			{Name: "tcp", Port: 8080},
			{Name: "udp", Port: 8081, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(8053)}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		pod, err = client.CoreV1().Pods("default").Get(ctx, "web", metav1.GetOptions{})
		require.NoError(t, err)
		service, err = client.CoreV1().Services("default").Get(ctx, "web", metav1.GetOptions{})
		require.NoError(t, err)
		return pod.Status.Phase == corev1.PodRunning && len(service.Status.LoadBalancer.Ingress) > 0
	}, patience, tick)
	n := c.network
	node, _ := n.Node(1)
	balancer := service.Status.LoadBalancer.Ingress[0].IP
	tcp, udp := service.Spec.Ports[0], service.Spec.Ports[1]
	listen := strings.TrimPrefix(c.host, "https://")
	_, port, err := net.SplitHostPort(listen)
	require.NoError(t, err)
	services = []target{
		{"ClusterIP", n.Address(service.Spec.ClusterIP, tcp.Port), askTCP},
		{"ClusterIP over UDP", n.Address(service.Spec.ClusterIP, udp.Port), askUDP},
		{"load balancer", n.Address(balancer, tcp.Port), askTCP},
		{"load balancer over UDP", n.Address(balancer, udp.Port), askUDP},
		{"node port", n.Address(node.String(), tcp.NodePort), askTCP},
		{"node port over UDP", n.Address(node.String(), udp.NodePort), askUDP},
		{"pod", n.Address(pod.Status.PodIP, 8080), askTCP},
		{"pod over UDP", n.Address(pod.Status.PodIP, 8053), askUDP},
		{"host port", n.Address(node.String(), 8088), askTCP},
		{"host port over UDP", n.Address(node.String(), 8054), askUDP},
	}
	closed = []target{
		{"Service kubernetes", n.Address(n.APIServiceIP.String(), 443), askTLS},
		{"API server for pods", net.JoinHostPort(n.ControlPlaneIP().String(), port), askTLS},
		{"API server's own listener", listen, askTLS},
		{"kubelet", n.Address(node.String(), network.KubeletPort), askTLS},
	}
	for _, network := range []string{"udp", "tcp"} {
		for where, ip := range map[string]netip.Addr{"cluster DNS": n.DNSIP, "name server": n.ControlPlaneIP()} {
			closed = append(closed, target{where + " over " + network, n.Address(ip.String(), 53), askDNS(network)})
		}
	}
	return services, closed
}

// listening is a way to listen over TCP and UDP.
type listening func(address string) (net.Listener, net.PacketConn, error)

func listenBoth(n *network.Network) listening {
	return func(address string) (net.Listener, net.PacketConn, error) {
		stream, err := n.Listen(context.Background(), address)
		packets, packetErr := n.ListenUDP(context.Background(), address)
		return stream, packets, errors.Join(err, packetErr)
	}
}

// unguarded listens at an address of the cluster's as everybody may: what is refused beside it is not refused for want of a
// route.
func unguarded(t *testing.T, ip netip.Addr) []target {
	return echoes(t, "anybody's", ip, func(address string) (net.Listener, net.PacketConn, error) {
		stream, err := net.Listen("tcp", address)
		packets, packetErr := net.ListenPacket("udp", address)
		return stream, packets, errors.Join(err, packetErr)
	})
}

// echoes answers everybody who gets in.
func echoes(t *testing.T, name string, ip netip.Addr, listen listening) []target {
	stream, packets, err := listen(netip.AddrPortFrom(ip, 0).String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(stream.Close(), packets.Close())) })
	go func() {
		for {
			conn, err := stream.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "hello")
			conn.Close()
		}
	}()
	go func() {
		b := make([]byte, 10)
		for {
			n, from, err := packets.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(b[:n], from)
		}
	}()
	return []target{{name + " over TCP", stream.Addr().String(), askTCP}, {name + " over UDP", packets.LocalAddr().String(), askUDP}}
}

func (m *machine) reaches(targets []target) {
	for _, g := range targets {
		m.do(func() { assert.NoError(m.t, g.ask(g.address), "another machine: %s", g) })
	}
}

func (m *machine) reachesNot(targets []target) {
	for _, g := range targets {
		m.do(func() { assert.Error(m.t, g.ask(g.address), "another machine reaches %s", g) })
	}
}

// --listen 127.0.0.1 means this machine: another one that has routes to all addresses of the cluster reaches none of them,
// and this one reaches all. So it is where they are addresses of the loopback, and the kernel would take what comes to
// those from outside.
func TestOutsideIsRefused(t *testing.T) {
	for _, mode := range []network.Mode{network.AnyIP, network.Loopback} {
		t.Run(string(mode), func(t *testing.T) {
			m := newMachine(t, prefix("10.0.0.0/8"), prefix("127.0.0.0/8"))
			c, client := run(t, Options{Nodes: 1, Loopback: mode == network.Loopback})
			require.Equal(t, mode, c.network.Mode)
			services, closed := everything(t, c, client)
			for _, g := range append(services, closed...) {
				require.Eventually(t, func() bool { return g.ask(g.address) == nil }, patience, tick, "this machine does not reach %s", g)
			}
			m.reaches(unguarded(t, c.network.DNSIP))
			m.reachesNot(services)
			m.reachesNot(closed)
		})
	}
}

// --expose lets machines of a range in to Services, node ports and pods, and to no more; others stay outside.
func TestExpose(t *testing.T) {
	friend, other := newMachine(t, prefix("10.0.0.0/8"), prefix("127.0.0.0/8")), newMachine(t, prefix("10.0.0.0/8"))
	c, client := run(t, Options{Nodes: 1, Expose: []netip.Prefix{netip.PrefixFrom(friend.there, 32)}})
	services, closed := everything(t, c, client)
	for _, g := range append(services, closed...) {
		require.Eventually(t, func() bool { return g.ask(g.address) == nil }, patience, tick, "this machine does not reach %s", g)
	}
	friend.reaches(services)
	friend.reachesNot(closed)
	other.reachesNot(services)
	other.reachesNot(closed)
}

// An address that --listen names is open to all that reach it, and nothing else is by that.
func TestListenOpensTheAPIServerAlone(t *testing.T) {
	m := newMachine(t, prefix("10.0.0.0/8"))
	for _, listen := range []string{"0.0.0.0", m.here.String()} {
		c, client := run(t, Options{Nodes: 1, Listen: listen + ":0"})
		services, closed := everything(t, c, client)
		_, port, err := net.SplitHostPort(strings.TrimPrefix(c.host, "https://"))
		require.NoError(t, err)
		m.reaches([]target{{"the API server", net.JoinHostPort(m.here.String(), port), askTLS}})
		m.reachesNot(services)
		for _, g := range closed {
			if g.name != "API server's own listener" && (listen != "0.0.0.0" || g.name != "API server for pods") {
				m.reachesNot([]target{g})
			}
		}
	}
}

// A Service takes no address of this machine's for itself, neither by its externalIPs nor by writing into its status what its
// load balancer was given, unless the administrator says so; and its endpoints lead to no server of this machine's loopback.
func TestServiceTakesNoAddressOfTheMachine(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		t.Run(fmt.Sprint("allowed ", allowed), func(t *testing.T) {
			own := net.IPv4(127, 77, byte(os.Getpid()>>8), byte(os.Getpid())).String()
			o := Options{Nodes: 1, Loopback: true}
			if allowed {
				o.ExternalIPs = []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(own), 32)}
			}
			c, client := run(t, o)
			everything(t, c, client)
			secret := echoes(t, "a secret", netip.MustParseAddr("127.0.0.1"), func(address string) (net.Listener, net.PacketConn, error) {
				stream, err := net.Listen("tcp", address)
				packets, packetErr := net.ListenPacket("udp", address)
				return stream, packets, errors.Join(err, packetErr)
			})[0]
			services := client.CoreV1().Services("default")
			ports := []corev1.ServicePort{{Port: 8080}}
			web := map[string]string{"app": "web"}
			external, err := services.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "external"},
				Spec: corev1.ServiceSpec{Selector: web, Ports: ports, ExternalIPs: []string{own}}}, metav1.CreateOptions{})
			require.NoError(t, err)
			class := "mine" // no controller gives it an address
			balanced, err := services.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "balanced"},
				Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class, Selector: web,
					Ports: []corev1.ServicePort{{Port: 8081, TargetPort: intstr.FromInt32(8080)}}}}, metav1.CreateOptions{})
			require.NoError(t, err)
			balanced.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: own}}
			_, err = services.UpdateStatus(t.Context(), balanced, metav1.UpdateOptions{})
			require.NoError(t, err)
			leak, err := services.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "leak"},
				Spec: corev1.ServiceSpec{Ports: ports}}, metav1.CreateOptions{})
			require.NoError(t, err)
			port := int32(netip.MustParseAddrPort(secret.address).Port())
			_, err = client.DiscoveryV1().EndpointSlices("default").Create(t.Context(), &discoveryv1.EndpointSlice{
				ObjectMeta:  metav1.ObjectMeta{Name: "leak-1", Labels: map[string]string{discoveryv1.LabelServiceName: "leak"}},
				AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Port: &port}},
				Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"127.0.0.1"}}}}, metav1.CreateOptions{})
			require.NoError(t, err)

			said := func(service, text string) { // the proxy has seen the Service, and says what it does not get
				require.Eventually(t, func() bool {
					events, err := client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
					require.NoError(t, err)
					return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
						return e.InvolvedObject.Name == service && strings.Contains(e.Message, text)
					})
				}, patience, tick, "%s: %s", service, text)
			}
			require.Eventually(t, func() bool { return askTCP(c.Address(external.Spec.ClusterIP, 8080)) == nil }, patience, tick)
			said("leak", fmt.Sprintf("nothing is forwarded to endpoint 127.0.0.1:%d", port))
			require.Error(t, askTCP(c.Address(leak.Spec.ClusterIP, 8080)))
			if allowed {
				require.Eventually(t, func() bool { return askTCP(own+":8080") == nil && askTCP(own+":8081") == nil }, patience, tick)
				return
			}
			said("external", "nobody listens on external address "+own)
			said("balanced", "nobody listens on load balancer address "+own)
			for _, port := range []string{"8080", "8081"} {
				require.ErrorIs(t, askTCP(net.JoinHostPort(own, port)), unix.ECONNREFUSED)
			}
		})
	}
}

// A pod takes no address of this machine's for itself by the hostIP of its ports.
func TestPodTakesNoAddressOfTheMachine(t *testing.T) {
	own := net.IPv4(127, 78, byte(os.Getpid()>>8), byte(os.Getpid())).String()
	_, client := run(t, Options{Nodes: 1, Loopback: true})
	_, err := client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "thief"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "web",
			Ports: []corev1.ContainerPort{{ContainerPort: 8080, HostPort: 8080, HostIP: own}}}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		if err := askTCP(own + ":8080"); !assert.ErrorIs(t, err, unix.ECONNREFUSED) {
			return true
		}
		events, err := client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.Reason == "FailedCreatePodSandBox" && strings.Contains(e.Message, "hostIP "+own+" of hostPort 8080 is no address of the node")
		})
	}, patience, tick)
}

// On a bridge, containers of the cluster are within; a machine outside is not, whatever it gives as its source.
func TestOutsideIsNotOnTheBridge(t *testing.T) {
	m := newMachine(t, prefix("10.0.0.0/8"))
	n, err := network.Claim(t.Context(), network.Options{Mode: network.AnyIP, Engine: &networktest.Here{}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	require.NoError(t, errors.Join(n.OpenServices(), n.OpenNode(1)))
	node, _ := n.Node(1)
	container := newContainer(t, n, node.Next())
	var guarded []target
	for _, ip := range []netip.Addr{n.DNSIP, n.ControlPlaneIP(), node} {
		guarded = append(guarded, echoes(t, "the cluster's", ip, listenBoth(n))...)
		m.reaches(unguarded(t, ip))
	}
	for _, g := range guarded {
		require.NoError(t, g.ask(g.address), "this machine: %s", g)
	}
	container.reaches(guarded)
	m.reachesNot(guarded)

	// A datagram needs no way back, and so may come under any name: that of a container.
	forged := after(node, 7)
	m.do(func() { m.plug("out0", netip.PrefixFrom(forged, 32)) })
	for _, ip := range []netip.Addr{n.DNSIP, node} {
		control, err := net.ListenPacket("udp4", netip.AddrPortFrom(ip, 0).String())
		require.NoError(t, err)
		guarded, err := n.ListenUDP(t.Context(), netip.AddrPortFrom(ip, 0).String())
		require.NoError(t, err)
		m.do(func() {
			for _, to := range []net.Addr{guarded.LocalAddr(), control.LocalAddr()} {
				conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: forged.AsSlice()}, to.(*net.UDPAddr))
				if assert.NoError(t, err) {
					_, err = io.WriteString(conn, "forged")
					assert.NoError(t, err)
					conn.Close()
				}
			}
		})
		b := make([]byte, 10)
		size, from, err := control.ReadFrom(b)
		require.NoError(t, err)
		require.Equal(t, "forged", string(b[:size]), "what was sent first has come, too")
		require.Equal(t, forged, netip.MustParseAddrPort(from.String()).Addr())
		own, err := net.Dial("udp4", guarded.LocalAddr().String())
		require.NoError(t, err)
		_, err = io.WriteString(own, "own")
		require.NoError(t, err)
		size, _, err = guarded.ReadFrom(b)
		require.NoError(t, err)
		require.Equal(t, "own", string(b[:size]))
		require.NoError(t, errors.Join(own.Close(), control.Close(), guarded.Close()))
	}
}
