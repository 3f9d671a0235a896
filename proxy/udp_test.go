package proxy

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	testingclock "k8s.io/utils/clock/testing"
)

// say sends a datagram until an answer comes: a datagram may be lost, above all while a listener is being opened.
func say(t *testing.T, conn net.Conn, text string) string {
	buffer, answer := make([]byte, 100), ""
	require.Eventually(t, func() bool {
		_, _ = conn.Write([]byte(text))
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := conn.Read(buffer) // refused at once where nobody listens yet
		answer = string(buffer[:n])
		return err == nil
	}, patience, time.Millisecond, "no answer from %s", conn.RemoteAddr())
	return answer
}

func dialUDP(t *testing.T, address string) net.Conn {
	conn, err := net.Dial("udp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TCP and UDP share a port number, a client keeps its backend, and is moved as soon as that has left the Service.
func TestUDP(t *testing.T) {
	h := start(t)
	h.service()
	a, b := newBackend(t, "a"), newBackend(t, "b")
	h.endpoints(a)
	conn := dialUDP(t, h.address())
	require.Equal(t, "a1", say(t, conn, "1"))
	h.answers("a")
	h.endpoints(a, b)
	h.answers("b") // the loop has seen b
	require.Equal(t, "a2", say(t, conn, "2"))
	h.endpoints(b)
	h.eventually(func() bool { return say(t, conn, "3") == "b3" })
}

// A backend that is gone without leaving the Service is passed over.
func TestUDPDeadBackend(t *testing.T) {
	h := start(t)
	h.service()
	a, b := newBackend(t, "a"), newBackend(t, "b")
	h.endpoints(a, b)
	conn := dialUDP(t, h.address())
	first := say(t, conn, "")
	map[string]*backend{"a": a, "b": b}[first].stop()
	require.NotEqual(t, first, say(t, conn, ""))
}

// A client that is silent for udpIdle is forgotten; one more than maxUDPClients takes the place of the most silent.
func TestUDPSessionsEnd(t *testing.T) {
	now := testingclock.NewFakeClock(time.Unix(0, 0))
	target := newBackend(t, "a")
	p := newProxy(nil, Options{Clock: now, Address: func(string, int32) string { return "127.0.0.1:0" },
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			require.Equal(t, "10.244.1.2:53", address)
			return (&net.Dialer{}).DialContext(ctx, network, hostPort("127.0.0.1", target.port))
		}})
	listener, err := p.traffic.listen(t.Context(), Rule{Listen: Listen{IP: "10.96.0.9", Port: 53, Protocol: corev1.ProtocolUDP},
		Backends: []Backend{{IP: "10.244.1.2", Port: 53}}})
	require.NoError(t, err)
	defer p.traffic.stop()
	defer listener.close()
	l := listener.(*udpListener)
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.sessions)
	}
	old, young := dialUDP(t, l.socket.(*net.UDPConn).LocalAddr().String()), dialUDP(t, l.socket.(*net.UDPConn).LocalAddr().String())
	say(t, old, "")
	now.Step(udpIdle / 2)
	say(t, young, "")
	require.Equal(t, 2, count())
	now.Step(udpIdle / 2)
	l.sweep(now.Now())
	require.Equal(t, 1, count(), "the silent one is forgotten")
	say(t, old, "")
	l.mu.Lock()
	l.endMostSilent()
	require.Len(t, l.sessions, 1)
	require.Contains(t, l.sessions, old.LocalAddr().(*net.UDPAddr).AddrPort(), "the newest stays")
	l.mu.Unlock()
}
