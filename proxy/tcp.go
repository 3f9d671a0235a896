package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the attempt at one backend. A port without a listener answers at once; this is for addresses that
// nothing answers for.
const dialTimeout = 2 * time.Second

// acceptPause is the rest after an accept that failed although the listener is open (no file descriptor is left).
const acceptPause = 50 * time.Millisecond

// tcpListener accepts the connections to one address.
type tcpListener struct {
	*traffic
	listener net.Listener
	balancer balancer
	rule     atomic.Pointer[Rule]
	closed   chan struct{}
}

func (t *traffic) listenTCP(ctx context.Context, rule Rule) (listener, error) {
	address := t.address(rule.Listen.IP, rule.Listen.Port)
	if _, err := netip.ParseAddrPort(address); err != nil { // a name would be looked up
		return nil, fmt.Errorf("TCP address %q: %w", address, err)
	}
	socket, err := t.openTCP(address)
	if err != nil {
		return nil, err // says what was tried, and where
	}
	l := &tcpListener{traffic: t, listener: socket, closed: make(chan struct{})}
	l.update(rule)
	t.group.Go(func() { l.serve(ctx) })
	return l, nil
}

func (l *tcpListener) update(rule Rule) {
	l.rule.Store(&rule)
	l.balancer.set(rule.Backends, rule.Affinity)
}

func (l *tcpListener) sweep(now time.Time) { l.balancer.sweep(now) }

func (l *tcpListener) close() {
	close(l.closed)
	l.listener.Close()
}

func (l *tcpListener) serve(ctx context.Context) {
	failing := false
	for {
		conn, err := l.listener.Accept()
		switch {
		case err == nil:
			failing = false
			client := conn.(*net.TCPConn)
			if l.track(client) {
				l.group.Go(func() { l.forward(ctx, client) })
			}
		case errors.Is(err, net.ErrClosed):
			return
		default:
			if !failing {
				l.logger.Warn("Cannot accept connections; trying again", "address", l.listener.Addr().String(), "error", err)
			}
			failing = true
			select {
			case <-l.closed:
			case <-l.clock.After(acceptPause):
			}
		}
	}
}

// forward serves one connection until both of its sides have ended.
func (l *tcpListener) forward(ctx context.Context, client *net.TCPConn) {
	defer l.release(client)
	backend := l.connect(ctx, client)
	if backend == nil {
		_ = client.SetLinger(0) // reset, as a refused connection would be, and no orderly end
		return
	}
	defer l.release(backend)
	done := make(chan struct{})
	l.group.Go(func() {
		defer close(done)
		pipe(backend, client)
	})
	pipe(client, backend)
	<-done
}

// connect dials one backend after the other until one answers; nil when none does.
func (l *tcpListener) connect(ctx context.Context, client *net.TCPConn) *net.TCPConn {
	rule := l.rule.Load()
	from := addrOf(client.RemoteAddr())
	if !allowed(rule.Sources, from) {
		return nil
	}
	var tried []Backend
	for {
		backend, ok := l.balancer.pick(from, l.clock.Now(), tried)
		if !ok {
			return nil
		}
		dialing, cancel := context.WithTimeout(ctx, dialTimeout)
		conn, err := l.dial(dialing, "tcp", hostPort(backend.IP, backend.Port))
		cancel()
		if err == nil {
			tcp := conn.(*net.TCPConn)
			if !l.track(tcp) {
				return nil
			}
			return tcp
		}
		l.logger.Debug("Backend does not answer; trying the next", "service", rule.Service.String(),
			"backend", backend.String(), "error", err)
		if ctx.Err() != nil {
			return nil
		}
		tried = append(tried, backend)
	}
}

// pipe copies from src to dst until src ends, and passes the end on: dst may still be answering. A broken side breaks the
// other too, with a reset, so that neither takes what it has got for the whole.
func pipe(dst, src *net.TCPConn) {
	_, err := io.Copy(dst, src)
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		for _, c := range []*net.TCPConn{dst, src} {
			_ = c.SetLinger(0)
			c.Close()
		}
	}
}

func addrOf(a net.Addr) netip.Addr {
	addrPort, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return addrPort.Addr().Unmap()
}
