// Package ipam is which address of a node's range a pod gets (IP address management). Runtimes ask it when they start a sandbox.
//
//  1. A [Pool] has the range of one node. It gives an address to one pod at a time, and goes round before it gives one again:
//     others may still remember who had it.
//  2. What is in use is what the pool has given or was told of by Claim, and what the caller knows besides.
//
// The same calls give the same addresses: there is no clock and nothing random. Real nodes leave this to a CNI plugin, such as
// host-local, which keeps a file for each address.
package ipam

import (
	"fmt"
	"net/netip"
)

// Pool gives out the addresses of one range. The first two, the network's and the node's own, and the last, which is for
// broadcasts, are never given. It is not safe for concurrent use.
type Pool struct {
	prefix netip.Prefix
	next   netip.Addr
	used   map[netip.Addr]bool
}

// New has all of the range to give.
func New(prefix netip.Prefix) *Pool {
	return &Pool{prefix: prefix.Masked(), next: first(prefix), used: map[netip.Addr]bool{}}
}

func first(prefix netip.Prefix) netip.Addr { return prefix.Masked().Addr().Next().Next() }

// Take gives the next free address. inUse says which addresses are in use besides those of the pool; nil means none.
func (p *Pool) Take(inUse func(netip.Addr) bool) (netip.Addr, error) {
	addr := p.next
	for wrapped := false; ; addr = addr.Next() {
		if !p.prefix.Contains(addr) || !p.prefix.Contains(addr.Next()) {
			if wrapped {
				return netip.Addr{}, fmt.Errorf("no pod address is free in %s: %d are in use", p.prefix, len(p.used))
			}
			wrapped, addr = true, first(p.prefix)
		}
		if p.prefix.Contains(addr) && !p.used[addr] && (inUse == nil || !inUse(addr)) {
			break
		}
	}
	p.used[addr] = true
	p.next = addr.Next()
	return addr, nil
}

// Claim takes this very address; it is false where that is in use or not of the range.
func (p *Pool) Claim(addr netip.Addr) bool {
	if !p.prefix.Contains(addr) || p.used[addr] {
		return false
	}
	p.used[addr] = true
	return true
}

// Release takes an address back.
func (p *Pool) Release(addr netip.Addr) { delete(p.used, addr) }

// Node is the node's own address, the first after the network's.
func (p *Pool) Node() netip.Addr { return p.prefix.Addr().Next() }
