package apiserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// A client that breaks off requests by the thousand makes work that nobody reads. It may break off a number of them at once,
// and some a second from then on; then its connection is closed (GOAWAY), and a little later whatever it still does there.
const (
	resetsAtOnce   = 2500 // more than a connection has at the same time: a client may end all its watches
	resetsASecond  = 100
	goAwayPatience = 2 * time.Second
)

// connections are those that clients have. Each takes one of the process's descriptors, which the store and everything else
// needs too, so there is a bound. When it is reached, those go that nobody uses, the one first that has been idle longest.
type connections struct {
	clock clock.Clock
	most  int // 0: no bound

	mu  sync.Mutex
	all map[net.Conn]*connection // guarded by mu
}

// connection is one client's.
type connection struct {
	net.Conn
	clock clock.Clock

	// Guarded by the mutex of connections:
	state http.ConnState
	since time.Time // when it came into the state
	known bool      // a request came by it whose sender is known

	mu     sync.Mutex
	broken float64   // requests broken off, less what is forgiven by now; guarded by mu
	last   time.Time // when broken was counted last; guarded by mu
	goAway bool      // guarded by mu
}

func newConnections(clock clock.Clock, most int) *connections {
	return &connections{clock: clock, most: most, all: map[net.Conn]*connection{}}
}

// changed is http.Server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(c.all, conn)
		return
	}
	one := c.of(conn)
	one.state, one.since = state, c.clock.Now()
	if state != http.StateNew || c.most == 0 {
		return
	}
	if gone := surplus(c.all, c.most, one); gone != nil {
		delete(c.all, gone.Conn)
		go gone.Close() //nolint:errcheck // it is closed, whatever it says; to say goodbye may take seconds
	}
}

// of is the connection, new if it was not known. The caller holds mu.
func (c *connections) of(conn net.Conn) *connection {
	one := c.all[conn]
	if one == nil {
		one = &connection{Conn: conn, clock: c.clock}
		c.all[conn] = one
	}
	return one
}

// surplus is the pure decision which connection has to go, after newest came: none while there is room. Those that have not
// said who they are may be a quarter. Of several, the one goes that has waited longest; a connection that is in use never does.
func surplus(all map[net.Conn]*connection, most int, newest *connection) *connection {
	var unknown, idle *connection // that have waited longest
	strangers := 0
	for _, c := range all {
		if !c.known {
			strangers++
			if c != newest && (unknown == nil || c.since.Before(unknown.since)) {
				unknown = c
			}
		}
		if c.known && c.state == http.StateIdle && (idle == nil || c.since.Before(idle.since)) {
			idle = c
		}
	}
	switch {
	case strangers > max(1, most/4) && unknown != nil:
		return unknown
	case len(all) <= most:
		return nil
	case unknown != nil:
		return unknown
	case idle != nil:
		return idle
	default:
		return newest
	}
}

// connectionKey finds a request's connection in its context.
type connectionKey struct{}

// context is http.Server's ConnContext.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return context.WithValue(ctx, connectionKey{}, c.of(conn))
}

// connectionOf is the request's connection; nil for one from this process.
func connectionOf(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}

// identified notes that a request came by the connection whose sender is known.
func (c *connections) identified(one *connection) {
	if one == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	one.known = true
}

// follow tells a client that is to go so, with its answer, and counts a request that it breaks off: what it returns is called
// when the request has ended.
func (c *connections) follow(req *http.Request, header http.Header) (ended func()) {
	one := connectionOf(req.Context())
	if one == nil { // from this process
		return func() {}
	}
	one.sendAway(header)
	return func() {
		if errors.Is(req.Context().Err(), context.Canceled) {
			one.brokeOff()
		}
	}
}

// brokeOff counts a request that the client broke off. At too many, the connection is closed.
func (c *connection) brokeOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	c.broken = max(0, c.broken-now.Sub(c.last).Seconds()*resetsASecond) + 1
	c.last = now
	if c.broken <= resetsAtOnce || c.goAway {
		return
	}
	c.goAway = true
	time.AfterFunc(goAwayPatience, func() { _ = c.Close() }) //nolint:forbidigo // connections live in real time
}

// sendAway tells a client that is to go so: HTTP/2 makes a GOAWAY of the header.
func (c *connection) sendAway(header http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.goAway {
		header.Set("Connection", "close")
	}
}
