package network

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// What it costs to decide who comes in: a connection over the loopback, accepted and closed, beside one that nobody guards.
func BenchmarkAccept(b *testing.B) {
	n, err := Claim(b.Context(), Options{Loopback: true})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, n.Close()) })
	for name, listen := range map[string]func() (net.Listener, error){
		"unguarded": func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		"guarded":   func() (net.Listener, error) { return n.Listen(b.Context(), "127.0.0.1:0") },
	} {
		b.Run(name, func(b *testing.B) {
			listener, err := listen()
			require.NoError(b, err)
			defer listener.Close()
			for b.Loop() {
				client, err := net.Dial("tcp", listener.Addr().String())
				require.NoError(b, err)
				server, err := listener.Accept()
				require.NoError(b, err)
				server.Close()
				client.Close()
			}
		})
	}
}
