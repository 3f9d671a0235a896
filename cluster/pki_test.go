package cluster

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No server of a cluster agrees on a cipher with CBC, or without forward secrecy; those that are left work.
func TestCiphers(t *testing.T) {
	p, err := openPKI(t.TempDir(), time.Now())
	require.NoError(t, err)
	certificate, err := p.server("kubernetes", nil, []net.IP{net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", p.serverTLS(certificate, tls.NoClientCert))
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn) // shakes hands
				_ = conn.Close()
			}()
		}
	}()
	ask := func(config *tls.Config) error {
		config.RootCAs = p.pool()
		conn, err := tls.Dial("tcp", listener.Addr().String(), config)
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		err := ask(&tls.Config{MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		switch suite.ID {
		case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: // the cluster's keys are ECDSA
			require.NoError(t, err, suite.Name)
		default:
			require.Error(t, err, suite.Name)
		}
	}
	require.Error(t, ask(&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}))
	require.NoError(t, ask(&tls.Config{MinVersion: tls.VersionTLS13}))
}
