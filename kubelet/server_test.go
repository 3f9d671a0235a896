package kubelet_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	a := authority{}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return a
}

func (a authority) issue(t *testing.T, name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// client speaks to a kubelet with a certificate of that name; no name is no certificate.
func (a authority) client(t *testing.T, name string) *http.Client {
	config := &tls.Config{RootCAs: a.pool()}
	if name != "" {
		config.Certificates = []tls.Certificate{a.issue(t, name)}
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestServer(t *testing.T) {
	ca := newAuthority(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := newMachine(
		bound("web", func(pod *corev1.Pod) {
			pod.Annotations = map[string]string{"sim.minik.dev/log-line": "hello", "sim.minik.dev/log-interval": "10ms"}
		}),
		bound("again", func(pod *corev1.Pod) {
			pod.Annotations = map[string]string{"sim.minik.dev/run-for": "1ms", "sim.minik.dev/fail-times": "1"}
		}),
		bound("waits", func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "your-image" }))
	m.options.Listen = func() (net.Listener, error) { return listener, nil }
	m.options.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "system:node:node-1")}, ClientCAs: ca.pool()}
	m.start(t)
	m.until(t, "web", ready)
	m.until(t, "again", func(pod *corev1.Pod) bool {
		return ready(pod) && pod.Status.ContainerStatuses[0].RestartCount == 1
	})
	m.until(t, "waits", func(pod *corev1.Pod) bool {
		s := pod.Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "ErrImagePull"
	})
	client := ca.client(t, "kube-apiserver-kubelet-client")
	base := "https://" + listener.Addr().String()
	get := func(client *http.Client, path string) (int, string) {
		resp, err := client.Get(base + path)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, strings.TrimSpace(string(body))
	}
	logs := func(rest string) (int, string) { return get(client, "/containerLogs/default/"+rest) }
	for _, test := range []struct {
		path string
		code int
		body string
	}{
		{"web/a?limitBytes=5", 200, "hello"},
		{"web/a?tailLines=0", 200, ""},
		{"again/a?previous=true&tailLines=1", 200, "exits with code 0"},
		{"web/a?previous=true", 400, `previous terminated container "a" in pod "web" not found`},
		{"waits/a", 400, `container "a" in pod "waits" is waiting to start`},
		{"web/b", 404, "container not found in pod"},
		{"nobody/a", 404, "pod does not exist"},
		{"web/a?tailLines=x", 422, `log parameter tailLines="x"`},
	} {
		code, body := logs(test.path)
		require.Equal(t, test.code, code, "%s: %s", test.path, body)
		if test.body == "" {
			require.Empty(t, body, test.path)
		}
		require.True(t, strings.HasPrefix(body, test.body), "%s: %s", test.path, body)
	}
	code, body := get(client, "/healthz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ok", body)
	_, body = get(client, "/pods")
	require.Contains(t, body, `"kind":"PodList"`)
	require.Contains(t, body, `"name":"web"`)

	// Only the API server is let in.
	code, _ = get(ca.client(t, "kubernetes-admin"), "/healthz")
	require.Equal(t, http.StatusForbidden, code)
	_, err = ca.client(t, "").Get(base + "/healthz")
	require.ErrorContains(t, err, "certificate required")

	// A log that is followed goes on, and ends with the power.
	resp, err := client.Get(base + "/containerLogs/default/web/a?follow=true&tailLines=0")
	require.NoError(t, err)
	line := make([]byte, 5)
	_, err = io.ReadFull(resp.Body, line)
	require.NoError(t, err)
	require.Equal(t, "line ", string(line))
	require.NoError(t, resp.Body.Close())
}
