package apiserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"minik.dev/apiserver/etcd"
	"minik.dev/apiserver/passthrough"
)

// cluster is an API server on a free port with an etcd of its own, for one test.
type testServer struct {
	*Server
	config *rest.Config
	client kubernetes.Interface
	etcd   *etcd.Server
	stop   func()
}

// start runs an API server until the test ends.
func start(t testing.TB) *testServer {
	t.Helper()
	return startOn(t, t.TempDir())
}

func startOn(t testing.TB, dir string) *testServer {
	t.Helper()
	return startWith(t, etcd.Options{Dir: dir, Volatile: true})
}

func startWith(t testing.TB, options etcd.Options, changes ...func(*Options)) *testServer {
	t.Helper()
	store, err := etcd.Start(t.Context(), options)
	require.NoError(t, err)
	return serveUntilStopped(t, store, changes...)
}

// serveUntilStopped is serveFrom, and stops the etcd with the server.
func serveUntilStopped(t testing.TB, store *etcd.Server, changes ...func(*Options)) *testServer {
	t.Helper()
	ts := serveFrom(t, store, changes...)
	stopServer := ts.stop
	ts.stop = sync.OnceFunc(func() {
		stopServer()
		require.NoError(t, store.Stop())
	})
	t.Cleanup(ts.stop)
	return ts
}

// serveFrom runs an API server on an etcd that is there, until the test ends.
func serveFrom(t testing.TB, etcd *etcd.Server, changes ...func(*Options)) *testServer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	serverTLS, config := certificates(t)
	var suffix atomic.Int64
	options := Options{
		Name: "test", Etcd: etcd, TLS: serverTLS,
		Services: netip.MustParsePrefix("10.96.0.0/16"), Reserved: netip.MustParsePrefix("10.96.255.0/24"),
		Refuse: func(_ passthrough.Target, ip string, _ int32) string { // backends of tests are there
			if ip == "127.0.0.1" {
				return ""
			}
			return ip + " is no address of this cluster"
		},
		Dial:      (&net.Dialer{}).DialContext,
		NewUID:    uuid.NewUUID,
		NewSuffix: func() string { return "x" + strconv.FormatInt(10000+suffix.Add(1), 36)[1:] },
		Clock:     clock.RealClock{}, Logger: slog.New(slog.DiscardHandler), Version: "test",
	}
	for _, change := range changes {
		change(&options)
	}
	s, err := New(options)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener) }()
	<-s.Ready()
	config.Host = "https://" + listener.Addr().String()
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	ts := &testServer{Server: s, config: config, client: client, etcd: etcd}
	ts.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(ts.stop)
	return ts
}

// certificates makes a CA, a serving certificate and an administrator.
func certificates(t testing.TB) (*tls.Config, *rest.Config) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	now := time.Now()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	require.NoError(t, err)
	sign := func(template *x509.Certificate) (cert, key []byte) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(2), now.Add(-time.Hour), now.Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, ca, k.Public(), caKey)
		require.NoError(t, err)
		keyDER, err := x509.MarshalECPrivateKey(k)
		require.NoError(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
			pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(caPEM)
	cert, key := sign(&x509.Certificate{Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	pair, err := tls.X509KeyPair(cert, key)
	require.NoError(t, err)
	adminCert, adminKey := sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven,
			NextProtos: []string{"h2", "http/1.1"}},
		&rest.Config{QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: caPEM, CertData: adminCert, KeyData: adminKey}}
}

// namespace makes a namespace with its service account, as the controllers would.
func (ts *testServer) namespace(t testing.TB, name string) {
	ctx := t.Context()
	_, err := ts.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = ts.client.CoreV1().ServiceAccounts(name).Create(ctx,
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	require.NoError(t, err)
}
