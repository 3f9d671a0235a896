package proxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
)

const (
	patience = 10 * time.Second
	tick     = 5 * time.Millisecond
)

// harness is a proxy that runs against a fake API server, with an address of this machine for the Service "web".
type harness struct {
	*testing.T
	client *fake.Clientset
	logs   *lockedBuffer
	ip     string // the Service's cluster address
	port   int32
}

var lastAddress struct {
	sync.Mutex
	n int
}

// serviceAddress is an address that no other test of this machine listens on: on Linux all of 127.0.0.0/8 is there.
func serviceAddress(t *testing.T) (string, int32) {
	ip := "127.0.0.1"
	if runtime.GOOS == "linux" {
		lastAddress.Lock()
		defer lastAddress.Unlock()
		lastAddress.n++
		ip = fmt.Sprintf("127.%d.%d.%d", 30+os.Getpid()>>8&31, os.Getpid()&255, lastAddress.n)
	}
	l, err := net.Listen("tcp", ip+":0")
	require.NoError(t, err)
	defer l.Close()
	return ip, int32(l.Addr().(*net.TCPAddr).Port)
}

// onLoopback are the limits of clusters that have their addresses there.
var onLoopback = Limits{LoadBalancers: []netip.Prefix{loopback}, Nodes: []netip.Prefix{loopback}, Endpoints: []netip.Prefix{loopback}}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

func start(t *testing.T) *harness {
	ip, port := serviceAddress(t)
	h := &harness{T: t, client: fake.NewClientset(), logs: &lockedBuffer{}, ip: ip, port: port}
	logger := slog.New(slog.NewTextHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	p := newProxy(h.client, Options{Limits: onLoopback, Logger: logger, Dial: (&net.Dialer{}).DialContext})
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		goleak.VerifyNone(t, goleak.IgnoreAnyFunction("testing.(*T).Run"))
	})
	return h
}

func (h *harness) address() string { return hostPort(h.ip, h.port) }

// service writes the Service "web", for TCP and UDP on the same port.
func (h *harness) service(change ...func(*corev1.Service)) {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "uid"},
		Spec: corev1.ServiceSpec{ClusterIP: h.ip, Ports: []corev1.ServicePort{
			{Name: "tcp", Port: h.port, Protocol: corev1.ProtocolTCP}, {Name: "udp", Port: h.port, Protocol: corev1.ProtocolUDP}}},
	}
	for _, f := range change {
		f(service)
	}
	require.NoError(h, h.client.Tracker().Add(service))
}

// endpoints writes one slice for each backend, as ports differ between them on one test machine.
func (h *harness) endpoints(backends ...*backend) {
	slices := h.client.DiscoveryV1().EndpointSlices("default")
	for i := range 4 {
		slice := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4,
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("web-", i), Namespace: "default",
				Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}}
		if i < len(backends) {
			slice.Ports = []discoveryv1.EndpointPort{
				{Name: ptr.To("tcp"), Port: ptr.To(backends[i].port), Protocol: ptr.To(corev1.ProtocolTCP)},
				{Name: ptr.To("udp"), Port: ptr.To(backends[i].port), Protocol: ptr.To(corev1.ProtocolUDP)}}
			slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"127.0.0.1"}}}
		}
		_, err := slices.Update(h.Context(), slice, metav1.UpdateOptions{})
		if err != nil {
			_, err = slices.Create(h.Context(), slice, metav1.CreateOptions{})
		}
		require.NoError(h, err)
	}
}

func (h *harness) eventually(condition func() bool) {
	h.Helper()
	require.Eventually(h, condition, patience, tick, "%s", h.logs)
}

// ask connects to the Service, sends nothing more, and returns all that comes back.
func (h *harness) ask() (string, error) {
	conn, err := net.Dial("tcp", h.address())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	got, err := io.ReadAll(conn)
	return string(got), err
}

func (h *harness) answers(want string) {
	h.Helper()
	h.eventually(func() bool { got, err := h.ask(); return err == nil && got == want })
}

func (h *harness) refuses() {
	h.Helper()
	h.eventually(func() bool { _, err := h.ask(); return refused(err) })
}

func refused(err error) bool {
	return err != nil && strings.Contains(err.Error(), syscall.ECONNREFUSED.Error())
}

// backend answers a TCP connection, once the client has ended its side, with its name and what the client said, and a
// datagram in the same way.
type backend struct {
	name     string
	port     int32
	listener net.Listener
	packets  net.PacketConn
	serving  sync.WaitGroup
}

func newBackend(t *testing.T, name string) *backend {
	b := &backend{name: name}
	for { // a port that is free for both protocols
		var err error
		b.listener, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		b.packets, err = net.ListenPacket("udp", b.listener.Addr().String())
		if err == nil {
			break
		}
		b.listener.Close()
	}
	b.port = int32(b.listener.Addr().(*net.TCPAddr).Port)
	b.serving.Go(b.serveTCP)
	b.serving.Go(b.serveUDP)
	t.Cleanup(b.stop)
	return b
}

func (b *backend) serveTCP() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.serving.Go(func() {
			defer conn.Close()
			if got, err := io.ReadAll(conn); err == nil {
				io.WriteString(conn, b.name+string(got))
			}
		})
	}
}

func (b *backend) serveUDP() {
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := b.packets.ReadFrom(buffer)
		if err != nil {
			return
		}
		b.packets.WriteTo(append([]byte(b.name), buffer[:n]...), from)
	}
}

func (b *backend) stop() {
	b.listener.Close()
	b.packets.Close()
	b.serving.Wait()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// An address that is taken gives one Event and one log line, and is opened as soon as it is free.
func TestAddressTaken(t *testing.T) {
	h := start(t)
	other, err := net.Listen("tcp", h.address())
	require.NoError(t, err)
	defer other.Close()
	h.service()
	a := newBackend(t, "a")
	h.endpoints(a)
	events := func() []corev1.Event {
		list, err := h.client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return list.Items
	}
	h.eventually(func() bool { return len(events()) == 1 })
	event := events()[0]
	require.Equal(t, "FailedToStartListener", event.Reason)
	require.Equal(t, "Service", event.InvolvedObject.Kind)
	require.Contains(t, event.Message, "address already in use")
	// A change that has nothing to do with it neither repeats the Event nor hurries the retry.
	h.endpoints(a, newBackend(t, "b"))
	h.eventually(func() bool { return strings.Contains(h.logs.String(), "Backends changed") })
	other.Close()
	h.eventually(func() bool { _, err := h.ask(); return err == nil })
	require.Len(t, events(), 1)
	require.Equal(t, 1, strings.Count(h.logs.String(), "Cannot listen"))
}

// A Service that is refused in part says so once.
func TestRefusalIsSaidOnce(t *testing.T) {
	h := start(t)
	h.service(func(s *corev1.Service) {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "sctp", Port: 99, Protocol: corev1.ProtocolSCTP})
	})
	h.endpoints(newBackend(t, "a"))
	h.answers("a")
	h.endpoints(newBackend(t, "b"))
	h.answers("b")
	list, err := h.client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.Equal(t, "ServiceNotProxied", list.Items[0].Reason)
}
