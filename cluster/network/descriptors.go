package network

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// Every connection takes one of the descriptors that a process may have, and so does every file: etcd ends the process where it
// can't open its own. So some are kept from those who connect: at the limit they are refused, and nothing else notices.
//
// A descriptor is the lowest number that is free. So the number that a new connection has says how many are open, and nobody
// has to count.

const (
	// leastDescriptors is what a cluster needs at all.
	leastDescriptors = 128
	// keptDescriptors is how many are kept from those who connect to the API server, for files and for what the cluster asks
	// itself, and keptFromServices from those who connect to anything else, each of whom needs two.
	keptDescriptors  = 64
	keptFromServices = 112
)

// errFewDescriptors is told by checkDescriptors.
var errFewDescriptors = errors.New("the process may open too few files")

// CheckDescriptors refuses a process that may open too few files even to start.
func CheckDescriptors() error { return checkDescriptors(descriptorLimit()) }

// checkDescriptors refuses a limit with which a process could not even start.
func checkDescriptors(limit int) error {
	if limit > 0 && limit < leastDescriptors {
		return fmt.Errorf("%w: %d, and a cluster needs %d at least; raise the limit (ulimit -n)", errFewDescriptors, limit, leastDescriptors)
	}
	return nil
}

// MaxConnections is how many clients the API server of this process may have at the same time; 0 is no bound.
func MaxConnections() int { return mostConnections(descriptorLimit()) }

// mostConnections is the pure decision how many clients the API server has at the same time: half of what is not kept, because
// others connect as well. 0 is no bound, where the limit is not known.
func mostConnections(limit int) int {
	if limit <= 0 {
		return 0
	}
	return max(16, (limit-keptDescriptors)/2)
}

// descriptors is the gate's knowledge of them.
type descriptors struct {
	limit   int // 0: not known
	refused atomic.Int64
}

// room is the pure decision whether a connection with that descriptor may stay.
func (d *descriptors) room(fd, kept int) bool { return d.limit <= 0 || fd < d.limit-kept }

// boundedListener refuses connections that would take one of the last descriptors.
type boundedListener struct {
	net.Listener
	descriptors *descriptors
	kept        int
}

// Accept is net.Listener's.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.descriptors.room(descriptorOf(conn), l.kept) {
			return conn, nil
		}
		l.descriptors.refused.Add(1)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset: nothing is left of it
		}
		conn.Close()
	}
}

// descriptorOf is the number of the connection's descriptor; 0 where it has none.
func descriptorOf(conn net.Conn) (number int) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { number = int(fd) }) // else the connection is closed
	return number
}
