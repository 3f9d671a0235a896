package proxy

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// balancer picks the backend of each new connection to one listener: in turn, or the one that the client had before.
//
// It remembers the backend it gave last and not a position, so a list that shrinks, grows or is replaced leaves nothing
// that could point outside of it: the next backend is the one that follows in the list's order, wherever that is now.
type balancer struct {
	mu       sync.Mutex
	backends []Backend     // sorted, none twice
	last     Backend       // the one given last; may have left the list
	affinity time.Duration // 0 is no affinity
	clients  map[netip.Addr]visit
}

// visit is the memory of one client.
type visit struct {
	backend Backend
	last    time.Time // of its newest connection
}

// set replaces the backends, which must be sorted and which the balancer keeps. Clients stay with those that remain.
func (b *balancer) set(backends []Backend, affinity time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends, b.affinity = backends, affinity
	if affinity == 0 {
		b.clients = nil
	}
}

// pick returns the backend for a new connection of the client, passing over those that were tried already; false when
// none is left.
func (b *balancer) pick(client netip.Addr, now time.Time, tried []Backend) (Backend, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	backend, ok := b.remembered(client, now, tried)
	if !ok {
		backend, ok = b.next(tried)
	}
	if ok && b.affinity > 0 {
		if b.clients == nil {
			b.clients = map[netip.Addr]visit{}
		}
		b.clients[client] = visit{backend: backend, last: now}
	}
	return backend, ok
}

// remembered is the client's earlier backend, if it is still there and the client was not silent for too long.
func (b *balancer) remembered(client netip.Addr, now time.Time, tried []Backend) (Backend, bool) {
	v, ok := b.clients[client]
	if !ok || now.Sub(v.last) >= b.affinity || slices.Contains(tried, v.backend) {
		return Backend{}, false
	}
	_, there := slices.BinarySearchFunc(b.backends, v.backend, compareBackend)
	return v.backend, there
}

// next is the first backend behind the last one that was not tried.
func (b *balancer) next(tried []Backend) (Backend, bool) {
	at, found := slices.BinarySearchFunc(b.backends, b.last, compareBackend)
	if found {
		at++
	}
	for i := range b.backends {
		backend := b.backends[(at+i)%len(b.backends)]
		if !slices.Contains(tried, backend) {
			b.last = backend
			return backend, true
		}
	}
	return Backend{}, false
}

// sweep forgets the clients that were silent for longer than the affinity lasts.
func (b *balancer) sweep(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for client, v := range b.clients {
		if now.Sub(v.last) >= b.affinity {
			delete(b.clients, client)
		}
	}
}
