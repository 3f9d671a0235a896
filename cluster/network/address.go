package network

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"strconv"
)

// lowPortShift is added to a port that this user may not open: 80 becomes 10080.
const lowPortShift = 10000

// In Ports mode the ports of 127.0.0.1 come from here, below those that systems give to outgoing connections.
const (
	firstMappedPort = 20000
	mappedPorts     = 10000
)

// Address says where this machine has an address of the cluster, as "ip:port". An address outside of the cluster's ranges
// is returned as it is, and so is one of a container, who may have every port.
func (n *Network) Address(ip string, port int32) string {
	direct := net.JoinHostPort(ip, strconv.Itoa(int(port)))
	addr, err := netip.ParseAddr(ip)
	if err != nil || !n.listensAt(addr) {
		return direct
	}
	switch {
	case n.Mode == Ports:
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(n.mappedPort(direct))))
	case port > 0 && port < n.lowPort:
		return net.JoinHostPort(ip, strconv.Itoa(int(port+lowPortShift)))
	}
	return direct
}

// listensAt says whether processes of this machine listen at the address: that of a service, a node or the control plane,
// or of a simulated pod.
func (n *Network) listensAt(addr netip.Addr) bool {
	switch {
	case n.ServiceCIDR.Contains(addr), addr == n.ControlPlaneIP():
		return true
	case n.Bridge == "" || n.NodeCIDR != n.PodCIDR:
		return n.NodeCIDR.Contains(addr)
	}
	return n.NodeCIDR.Contains(addr) && addr.As4()[3] == 1 // the first of a node's /24
}

// mappedPort gives each address its own port on first use: one that follows from the address, so that it is mostly the
// same again, or the next that is free.
func (n *Network) mappedPort(address string) int32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if port, ok := n.ports[address]; ok {
		return port
	}
	sum := fnv.New32a()
	sum.Write([]byte(address))
	start := sum.Sum32() % mappedPorts
	for i := range uint32(mappedPorts) {
		port := int32(firstMappedPort + (start+i)%mappedPorts)
		if n.taken[port] || !portIsFree(port) {
			continue
		}
		n.taken[port], n.ports[address] = true, port
		return port
	}
	return 0 // All are in use. Dialling port 0 fails where it is tried, and says so there.
}

// portIsFree says whether 127.0.0.1 has the port for TCP and UDP.
func portIsFree(port int32) bool {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	p.Close()
	return true
}

// Describe says what is not possible on this machine, one line each, with the reason.
func (n *Network) Describe() []string {
	out := append([]string(nil), n.notes...)
	switch {
	case n.Mode == Ports:
		out = append(out, "every service, node and pod address is a port of 127.0.0.1, known to this process alone: this "+
			"system has no other loopback address")
	case n.lowPort > 0:
		out = append(out, fmt.Sprintf("ports below %d are found %d higher (80 is %d): opening them needs root", n.lowPort,
			lowPortShift, 80+lowPortShift))
	}
	return out
}
