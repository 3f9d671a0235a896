package network

import (
	"net"
	"sync"
)

// Both is two listeners that are served as one.
func Both(first, second net.Listener) net.Listener {
	b := &both{Listener: first, second: second, accepted: make(chan accepted), closed: make(chan struct{})}
	for _, l := range []net.Listener{first, second} {
		b.accepting.Go(func() { b.accept(l) })
	}
	return b
}

type accepted struct {
	conn net.Conn
	err  error
}

// both hands out the connections of two listeners.
type both struct {
	net.Listener
	second    net.Listener
	accepted  chan accepted
	accepting sync.WaitGroup
	once      sync.Once
	closed    chan struct{}
}

func (b *both) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case b.accepted <- accepted{conn, err}:
		case <-b.closed:
			if conn != nil {
				_ = conn.Close() // nobody serves it any more
			}
			return
		}
		if err != nil {
			return
		}
	}
}

// Accept waits for a connection on either listener.
func (b *both) Accept() (net.Conn, error) {
	select {
	case a := <-b.accepted:
		return a.conn, a.err
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close closes both.
func (b *both) Close() error {
	var err error
	b.once.Do(func() {
		close(b.closed)
		err = b.Listener.Close()
		if second := b.second.Close(); err == nil {
			err = second
		}
		b.accepting.Wait()
	})
	return err
}
