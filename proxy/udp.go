package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// udpIdle is how long a UDP client may be silent in both directions before it is forgotten (to within sweepEvery).
	udpIdle = 30 * time.Second
	// maxUDPClients bounds the clients of one listener; each has a socket. One more takes the place of the most silent.
	maxUDPClients = 1024
	// maxDatagram is the largest datagram that IP carries, in bytes.
	maxDatagram = 64 << 10
)

// PacketConn receives and sends datagrams; a *net.UDPConn is one.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	io.Closer
}

func listenUDP(address string) (PacketConn, error) {
	resolved, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP("udp", resolved)
}

// udpListener receives the datagrams to one address. Each client has a session.
type udpListener struct {
	*traffic
	socket   PacketConn
	balancer balancer

	mu       sync.Mutex
	rule     Rule
	sessions map[netip.AddrPort]*session
	closed   bool
}

// session is one client's way to one backend and back.
type session struct {
	client  netip.AddrPort
	backend Backend
	conn    net.Conn     // connected to the backend, and so told when its port is closed
	used    atomic.Int64 // when the last datagram went either way, Unix nanoseconds
}

func (t *traffic) listenUDP(ctx context.Context, rule Rule) (listener, error) {
	address := t.address(rule.Listen.IP, rule.Listen.Port)
	if _, err := netip.ParseAddrPort(address); err != nil { // a name would be looked up
		return nil, fmt.Errorf("UDP address %q: %w", address, err)
	}
	socket, err := t.openUDP(address)
	if err != nil {
		return nil, err // says what was tried, and where
	}
	l := &udpListener{traffic: t, socket: socket, sessions: map[netip.AddrPort]*session{}}
	l.update(rule)
	t.group.Go(func() { l.serve(ctx) })
	return l, nil
}

func (l *udpListener) update(rule Rule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rule = rule
	l.balancer.set(rule.Backends, rule.Affinity)
	for _, s := range l.sessions {
		if _, there := slices.BinarySearchFunc(rule.Backends, s.backend, compareBackend); !there {
			l.end(s)
		}
	}
}

func (l *udpListener) sweep(now time.Time) {
	l.balancer.sweep(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sessions {
		if now.Sub(time.Unix(0, s.used.Load())) >= udpIdle {
			l.end(s)
		}
	}
}

func (l *udpListener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.socket.Close()
	for _, s := range l.sessions {
		l.end(s)
	}
}

// end closes a session and forgets it; its goroutine ends by that. l.mu is held.
func (l *udpListener) end(s *session) {
	s.conn.Close()
	if l.sessions[s.client] == s {
		delete(l.sessions, s.client)
	}
}

// serve carries the clients' datagrams to the backends.
func (l *udpListener) serve(ctx context.Context) {
	buffer := make([]byte, maxDatagram)
	for {
		n, client, err := l.socket.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an error of an earlier reply (its client's port is closed), reported here
		}
		l.deliver(ctx, netip.AddrPortFrom(client.Addr().Unmap(), client.Port()), buffer[:n])
	}
}

// deliver sends one datagram on. A backend that is known to refuse is passed over once for each backend there is; as on
// any network, a datagram that meets nobody is lost.
func (l *udpListener) deliver(ctx context.Context, client netip.AddrPort, datagram []byte) {
	var tried []Backend
	for {
		s := l.session(ctx, client, tried)
		if s == nil {
			return
		}
		if _, err := s.conn.Write(datagram); err == nil {
			return
		}
		tried = append(tried, s.backend)
		l.mu.Lock()
		l.end(s)
		l.mu.Unlock()
	}
}

// session finds the client's session or makes one with a backend that was not tried; nil where that is impossible.
func (l *udpListener) session(ctx context.Context, client netip.AddrPort, tried []Backend) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if s, ok := l.sessions[client]; ok {
		s.used.Store(now.UnixNano())
		return s
	}
	if l.closed || !allowed(l.rule.Sources, client.Addr()) {
		return nil
	}
	backend, ok := l.balancer.pick(client.Addr(), now, tried)
	if !ok {
		return nil
	}
	conn, err := l.dial(ctx, "udp", hostPort(backend.IP, backend.Port))
	if err != nil {
		l.logger.Debug("Cannot reach a backend", "service", l.rule.Service.String(), "backend", backend.String(),
			"error", err)
		return nil
	}
	if len(l.sessions) >= maxUDPClients {
		l.endMostSilent()
	}
	s := &session{client: client, backend: backend, conn: conn}
	s.used.Store(now.UnixNano())
	l.sessions[client] = s
	l.group.Go(func() { l.answer(s) })
	return s
}

// endMostSilent makes room for one more client. l.mu is held.
func (l *udpListener) endMostSilent() {
	var oldest *session
	for _, s := range l.sessions {
		if oldest == nil || cmp.Less(s.used.Load(), oldest.used.Load()) {
			oldest = s
		}
	}
	l.end(oldest)
}

// answer carries a backend's datagrams to the client until the session ends. A backend that refuses ends it too: the
// client's next datagram finds another.
func (l *udpListener) answer(s *session) {
	buffer := make([]byte, maxDatagram)
	for {
		n, err := s.conn.Read(buffer)
		if err != nil {
			l.mu.Lock()
			l.end(s)
			l.mu.Unlock()
			return
		}
		s.used.Store(l.clock.Now().UnixNano())
		if _, err := l.socket.WriteToUDPAddrPort(buffer[:n], s.client); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}
