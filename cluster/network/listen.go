package network

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// mostRefused bounds how many refused sources are remembered, so that each is told of once.
const mostRefused = 100

// gate carries out what [Network.admit] decides, for every listener of the cluster in this process.
type gate struct {
	*Network
	log *slog.Logger

	descriptors descriptors
	devices     sync.Map // the names of interfaces by their index, which the kernel gives to no second one

	mu      sync.Mutex
	refused map[netip.Addr]bool
}

func newGate(n *Network) *gate {
	return &gate{Network: n, log: slog.New(slog.DiscardHandler), refused: map[netip.Addr]bool{},
		descriptors: descriptors{limit: descriptorLimit()}}
}

// Expose lets sources of these ranges in from outside this machine, to Services, node ports and pods; see admit. It is
// called before anything is listened on. Refusals are logged from then on.
func (n *Network) Expose(sources []netip.Prefix, logger *slog.Logger) error {
	if len(sources) > 0 && n.Mode != AnyIP {
		return fmt.Errorf("--expose: this cluster's Services have addresses of 127.0.0.0/8 (network mode %s), which no other "+
			"machine reaches; run it as root on Linux, or leave --expose out", n.Mode)
	}
	n.expose, n.gate.log = sources, logger
	return nil
}

// device is the name of the interface; "" where the kernel has told none.
func (g *gate) device(index int) string {
	if index == 0 {
		return ""
	}
	if name, ok := g.devices.Load(index); ok {
		return name.(string)
	}
	device, err := net.InterfaceByIndex(index)
	if err != nil {
		return fmt.Sprintf("interface %d", index)
	}
	name := device.Name
	if device.Flags&net.FlagLoopback != 0 {
		name = loopbackDevice
	}
	g.devices.Store(index, name)
	return name
}

// admits decides about what came in by the interface of that index, and says so when it is refused.
func (g *gate) admits(to, from netip.AddrPort, index int) bool {
	a := arrival{to: to, source: from.Addr().Unmap(), device: g.device(index)}
	if a.device == "" || !g.within(to.Addr()) {
		a.own = isOwn(a.source)
	}
	ok, why := g.admit(a)
	if !ok {
		g.tell(a, why)
	}
	return ok
}

// tell logs a refusal, the first of each source where it is read.
func (g *gate) tell(a arrival, why string) {
	g.mu.Lock()
	first := !g.refused[a.source] && len(g.refused) < mostRefused
	if first {
		g.refused[a.source] = true
	}
	g.mu.Unlock()
	say := g.log.Debug
	if first {
		say = g.log.Info
	}
	say("refused", "component", "network", "address", a.to, "source", a.source, "reason", why)
}

// within says whether the address is of this cluster's ranges.
func (n *Network) within(addr netip.Addr) bool {
	return n.ServiceCIDR.Contains(addr) || n.PodCIDR.Contains(addr) || n.NodeCIDR.Contains(addr)
}

// Listen is net.Listen over TCP for every part of the cluster: who may not come in is cut off before anybody serves it.
// Accept returns a *net.TCPConn.
func (n *Network) Listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := listenTCP(ctx, address)
	if err != nil {
		return nil, err
	}
	return &gatedListener{Listener: &boundedListener{listener, &n.gate.descriptors, keptFromServices}, gate: n.gate}, nil
}

// ListenOpen is Listen for an address that its user has chosen: one of the loopback means this machine, and is closed to
// what comes from elsewhere (as it can where route_localnet is set); whoever names another means all who reach it.
func (n *Network) ListenOpen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := listenTCP(ctx, address)
	if err != nil {
		return nil, err
	}
	bounded := &boundedListener{listener, &n.gate.descriptors, keptDescriptors}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return bounded, nil
	}
	return &gatedListener{Listener: bounded, gate: n.gate}, nil
}

func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{Control: tellDevice}
	// Over one path, for which is decided: a further one could come in elsewhere.
	config.SetMultipathTCP(false)
	return config.Listen(ctx, "tcp", address)
}

// gatedListener hands out the connections that may come in.
type gatedListener struct {
	net.Listener
	gate *gate
}

// Accept is net.Listener's.
func (l *gatedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp := conn.(*net.TCPConn)
		if l.gate.admits(addrPort(tcp.LocalAddr()), addrPort(tcp.RemoteAddr()), deviceOf(tcp)) {
			return conn, nil
		}
		_ = tcp.SetLinger(0) // a reset, as a closed port gives
		conn.Close()
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return unmapped(a.AddrPort())
	case *net.UDPAddr:
		return unmapped(a.AddrPort())
	}
	return netip.AddrPort{}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// ListenUDP is net.ListenPacket over UDP for every part of the cluster: datagrams that may not come in are dropped.
func (n *Network) ListenUDP(ctx context.Context, address string) (*Packets, error) {
	config := net.ListenConfig{Control: tellDevice}
	conn, err := config.ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return &Packets{conn: conn.(*net.UDPConn), gate: n.gate, to: addrPort(conn.LocalAddr())}, nil
}

// Packets are the datagrams of one address, those that may come in. It is a net.PacketConn, and has no other way to read.
type Packets struct {
	conn *net.UDPConn
	gate *gate
	to   netip.AddrPort
}

var _ net.PacketConn = (*Packets)(nil)

// ReadFromUDPAddrPort is net.UDPConn's.
func (p *Packets) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	var about [aboutDatagram]byte
	for {
		size, got, _, from, err := p.conn.ReadMsgUDPAddrPort(b, about[:])
		if err != nil || p.gate.admits(p.to, from, deviceOfDatagram(about[:got])) {
			return size, from, err
		}
	}
}

// ReadFrom is net.PacketConn's.
func (p *Packets) ReadFrom(b []byte) (int, net.Addr, error) {
	size, from, err := p.ReadFromUDPAddrPort(b)
	if err != nil {
		return size, nil, err
	}
	return size, net.UDPAddrFromAddrPort(from), nil
}

// WriteToUDPAddrPort is net.UDPConn's.
func (p *Packets) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return p.conn.WriteToUDPAddrPort(b, to)
}

// WriteTo is net.PacketConn's.
func (p *Packets) WriteTo(b []byte, to net.Addr) (int, error) { return p.conn.WriteTo(b, to) }

// Close is net.PacketConn's.
func (p *Packets) Close() error { return p.conn.Close() }

// LocalAddr is net.PacketConn's.
func (p *Packets) LocalAddr() net.Addr { return p.conn.LocalAddr() }

// SetDeadline is net.PacketConn's.
func (p *Packets) SetDeadline(t time.Time) error { return p.conn.SetDeadline(t) }

// SetReadDeadline is net.PacketConn's.
func (p *Packets) SetReadDeadline(t time.Time) error { return p.conn.SetReadDeadline(t) }

// SetWriteDeadline is net.PacketConn's.
func (p *Packets) SetWriteDeadline(t time.Time) error { return p.conn.SetWriteDeadline(t) }

// ParseRanges reads ranges of addresses. An address without a length is a range of that one.
func ParseRanges(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is no range of addresses: an example is 192.168.0.0/16", text)
		case prefix != prefix.Masked():
			return nil, fmt.Errorf("%s: the range that has this address is %s", text, prefix.Masked())
		}
		out = append(out, prefix)
	}
	return out, nil
}

// Free says why nothing can listen on an address right now, before there is a network; nil where it can.
func Free(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return listener.Close()
}
