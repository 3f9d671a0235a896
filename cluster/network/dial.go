package network

import (
	"context"
	"net"
	"net/netip"
)

// Dial is net.Dialer.DialContext over TCP and UDP for every part of the cluster: an address of the cluster is dialed where
// this machine has it, any other as it is. Over TCP the connection is a *net.TCPConn, over UDP a net.PacketConn.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if at, err := netip.ParseAddrPort(address); err == nil { // a name is none of the cluster's addresses
		address = n.Address(at.Addr().String(), int32(at.Port()))
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
