package proxy

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestConnectionsTakeTurns(t *testing.T) {
	h := start(t)
	h.service()
	h.endpoints(newBackend(t, "a"), newBackend(t, "b"), newBackend(t, "c"))
	seen := map[string]int{}
	h.eventually(func() bool { got, _ := h.ask(); seen[got]++; return seen["a"] > 0 && seen["b"] > 0 && seen["c"] > 0 })
	clear(seen)
	for range 90 {
		got, err := h.ask()
		require.NoError(t, err)
		seen[got]++
	}
	require.Equal(t, map[string]int{"a": 30, "b": 30, "c": 30}, seen)
}

// A backend that refuses is passed over; the client notices nothing.
func TestDeadBackendIsPassedOver(t *testing.T) {
	h := start(t)
	h.service()
	dead := newBackend(t, "dead")
	dead.stop()
	h.endpoints(newBackend(t, "a"), dead)
	h.answers("a")
	for range 6 {
		got, err := h.ask()
		require.NoError(t, err)
		require.Equal(t, "a", got)
	}
	// Where nobody answers the client is reset: what it got is not a whole and empty answer.
	h.endpoints(dead)
	h.eventually(func() bool { _, err := h.ask(); return err != nil && !refused(err) })
}

// Without a backend the connection is refused, as by the packet filter's REJECT.
func TestNoBackendsRefuses(t *testing.T) {
	h := start(t)
	h.service()
	a := newBackend(t, "a")
	h.endpoints(a)
	h.answers("a")
	h.endpoints()
	h.refuses()
	h.endpoints(a)
	h.answers("a")
}

// An established connection outlives its backend's place in the Service, and the Service. The client may end its side
// first and still gets the answer.
func TestEstablishedConnectionLivesOn(t *testing.T) {
	h := start(t)
	h.service()
	h.endpoints(newBackend(t, "a"))
	h.answers("a")
	conn, err := net.Dial("tcp", h.address())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, " heard")
	require.NoError(t, err)

	h.endpoints(newBackend(t, "b"))
	h.answers("b")
	require.NoError(t, h.client.CoreV1().Services("default").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	h.refuses()

	_, err = io.WriteString(conn, " you")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "a heard you", string(got))
}

func TestClientIPAffinity(t *testing.T) {
	h := start(t)
	h.service(func(s *corev1.Service) { s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP })
	a, b := newBackend(t, "a"), newBackend(t, "b")
	h.endpoints(a)
	h.answers("a")
	h.endpoints(a, b)
	h.eventually(func() bool { return strings.Contains(h.logs.String(), "2 of 2 endpoints ready") })
	for range 6 {
		got, err := h.ask()
		require.NoError(t, err)
		require.Equal(t, "a", got)
	}
	h.endpoints(b)
	h.answers("b")
}

// A client outside of loadBalancerSourceRanges is cut off.
func TestSourceRanges(t *testing.T) {
	h := start(t)
	a := newBackend(t, "a")
	other, port := serviceAddress(t)
	h.service(func(s *corev1.Service) {
		s.Spec.ClusterIP = other
		s.Spec.Ports[0].Port, s.Spec.Ports[1].Port = port, port
		s.Spec.LoadBalancerSourceRanges = []string{"192.0.2.0/24"}
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: h.ip}}
	})
	h.endpoints(a)
	h.port = port
	h.eventually(func() bool { _, err := h.ask(); return err != nil && !refused(err) })
	h.ip = other
	h.answers("a")
}

// Stopping the proxy ends connections that are still open; that nothing stays behind is checked by every test's end.
func TestStopEndsConnections(t *testing.T) {
	var conn net.Conn
	t.Run("open one and leave it", func(t *testing.T) {
		h := start(t)
		h.service()
		h.endpoints(newBackend(t, "a"))
		h.answers("a")
		var err error
		conn, err = net.Dial("tcp", h.address())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "x")
		require.NoError(t, err)
		h.endpoints()
		h.refuses() // the loop has run since, so the connection was accepted
	})
	defer conn.Close()
	_, err := io.ReadAll(conn)
	_ = err // an orderly end or a reset: the connection is over either way
}

// BenchmarkConnection compares one exchange (connect, one byte there, one back, close) with and without the proxy.
func BenchmarkConnection(b *testing.B) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer target.Close()
	go func() {
		for {
			conn, err := target.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	p := newProxy(nil, Options{Address: func(string, int32) string { return "127.0.0.1:0" }, Dial: (&net.Dialer{}).DialContext})
	l, err := p.traffic.listen(b.Context(), Rule{Listen: Listen{IP: "10.96.0.9", Port: 80, Protocol: corev1.ProtocolTCP},
		Backends: []Backend{{IP: "127.0.0.1", Port: int32(target.Addr().(*net.TCPAddr).Port)}}})
	require.NoError(b, err)
	defer p.traffic.stop()
	defer l.close()

	exchange := func(b *testing.B, address string) {
		buffer := make([]byte, 1)
		for b.Loop() {
			conn, err := net.Dial("tcp", address)
			require.NoError(b, err)
			_, err = conn.Write(buffer)
			require.NoError(b, err)
			_, err = io.ReadFull(conn, buffer)
			require.NoError(b, err)
			_ = conn.(*net.TCPConn).SetLinger(0) // leaves no port in TIME_WAIT
			conn.Close()
		}
	}
	b.Run("direct", func(b *testing.B) { exchange(b, target.Addr().String()) })
	b.Run("proxied", func(b *testing.B) { exchange(b, l.(*tcpListener).listener.Addr().String()) })
}
