package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
)

// traffic is what all listeners of a proxy share: where addresses really are, and everything that is open, so that it can
// be closed and waited for.
type traffic struct {
	logger  *slog.Logger
	clock   clock.WithTicker
	address func(ip string, port int32) string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	openTCP func(address string) (net.Listener, error)
	openUDP func(address string) (PacketConn, error)
	group   sync.WaitGroup // every goroutine of listeners, connections and Events

	mu      sync.Mutex
	conns   map[io.Closer]struct{}
	stopped bool // nothing is taken in any more
}

// listen opens the listener of a rule and starts to serve it. ctx ends the dialling of backends.
func (t *traffic) listen(ctx context.Context, rule Rule) (listener, error) {
	switch {
	case rule.Health:
		return t.listenHealth(rule)
	case rule.Listen.Protocol == corev1.ProtocolUDP:
		return t.listenUDP(ctx, rule)
	}
	return t.listenTCP(ctx, rule)
}

// track remembers an open connection; false, and the connection closed, when the proxy is stopping.
func (t *traffic) track(c io.Closer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		c.Close()
		return false
	}
	if t.conns == nil {
		t.conns = map[io.Closer]struct{}{}
	}
	t.conns[c] = struct{}{}
	return true
}

// release closes a connection and forgets it.
func (t *traffic) release(c io.Closer) {
	c.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

// stop closes every connection and waits for all goroutines. The listeners must be closed already.
func (t *traffic) stop() {
	t.mu.Lock()
	t.stopped = true
	for c := range t.conns {
		c.Close()
	}
	t.mu.Unlock()
	t.group.Wait()
}

// allowed says whether a client may connect: sources without entries let everyone.
func allowed(sources []netip.Prefix, client netip.Addr) bool {
	for _, prefix := range sources {
		if prefix.Contains(client) {
			return true
		}
	}
	return len(sources) == 0
}
