package network

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The last descriptors are kept from those who connect, and a process that has too few is told so.
func TestDescriptors(t *testing.T) {
	d := descriptors{limit: 256}
	require.True(t, d.room(255-keptDescriptors, keptDescriptors))
	require.False(t, d.room(256-keptDescriptors, keptDescriptors))
	require.False(t, d.room(256-keptFromServices, keptFromServices))
	require.True(t, (&descriptors{}).room(1<<20, keptDescriptors), "the limit is not known")

	require.Equal(t, 96, mostConnections(256))
	require.Equal(t, 16, mostConnections(64))
	require.Zero(t, mostConnections(0))
	require.NoError(t, checkDescriptors(0))
	require.NoError(t, checkDescriptors(leastDescriptors))
	require.ErrorIs(t, checkDescriptors(leastDescriptors-1), errFewDescriptors)
}

// A connection that takes one of the last descriptors is cut off.
func TestConnectionsAtTheLimit(t *testing.T) {
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer raw.Close()
	d := &descriptors{limit: 1} // none is left
	listener := &boundedListener{raw, d, 0}
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn
		}
	}()
	if refused, err := net.Dial("tcp", raw.Addr().String()); err == nil { // else it is cut off already
		_, err = refused.Read(make([]byte, 1))
		require.Error(t, err, "it is cut off")
		require.NoError(t, refused.Close())
	}
	require.Eventually(t, func() bool { return d.refused.Load() == 1 }, time.Minute, time.Millisecond)
	require.Empty(t, accepted)
}
