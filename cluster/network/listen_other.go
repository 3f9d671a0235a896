//go:build !linux

package network

import (
	"net"
	"net/netip"
	"syscall"
)

// aboutDatagram is how many bytes tell by which interface something came in. Here nothing tells that: addresses of the
// cluster are ports of 127.0.0.1, which the source alone decides about.
const aboutDatagram = 0

func tellDevice(string, string, syscall.RawConn) error { return nil }

func deviceOf(*net.TCPConn) int { return 0 }

func deviceOfDatagram([]byte) int { return 0 }

// isOwn says whether an interface of this machine has the address.
func isOwn(addr netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(addr.AsSlice()) {
			return true
		}
	}
	return false
}
