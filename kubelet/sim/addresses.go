package sim

import (
	"fmt"
	"net/netip"
)

// Addresses gives out a node's pod addresses, each to one pod at a time, and goes round before it gives one again. The
// range's first two addresses, the network's and the node's own, and its last are never given.
type Addresses struct {
	prefix netip.Prefix
	next   netip.Addr
	used   map[netip.Addr]bool
}

// NewAddresses has all of the range to give.
func NewAddresses(prefix netip.Prefix) *Addresses {
	return &Addresses{prefix: prefix.Masked(), next: first(prefix), used: map[netip.Addr]bool{}}
}

func first(prefix netip.Prefix) netip.Addr { return prefix.Masked().Addr().Next().Next() }

// Take gives the next free address.
func (a *Addresses) Take() (netip.Addr, error) {
	addr := a.next
	for wrapped := false; ; addr = addr.Next() {
		if !a.prefix.Contains(addr) || !a.prefix.Contains(addr.Next()) {
			if wrapped {
				return netip.Addr{}, fmt.Errorf("no pod address is free in %s: %d are in use", a.prefix, len(a.used))
			}
			wrapped, addr = true, first(a.prefix)
		}
		if !a.used[addr] && a.prefix.Contains(addr) {
			break
		}
	}
	a.used[addr] = true
	a.next = addr.Next()
	return addr, nil
}

// Claim takes this very address; it is false where that is in use or not the node's.
func (a *Addresses) Claim(addr netip.Addr) bool {
	if !a.prefix.Contains(addr) || a.used[addr] {
		return false
	}
	a.used[addr] = true
	return true
}

// Release takes an address back.
func (a *Addresses) Release(addr netip.Addr) { delete(a.used, addr) }

// node is the node's own address, the first of the range.
func (a *Addresses) node() netip.Addr { return a.prefix.Addr().Next() }
