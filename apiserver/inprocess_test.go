package apiserver

import (
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
)

// certificateOf is the client certificate of the configuration.
func certificateOf(t *testing.T, config *rest.Config) *x509.Certificate {
	t.Helper()
	all, err := cert.ParseCertsPEM(config.CertData)
	require.NoError(t, err)
	return all[0]
}

// What is in the server's process goes the way of all requests: who asks is who the certificate says, errors and watches are
// those of the network.
func TestDirectRequests(t *testing.T) {
	ts := start(t)
	way, err := ts.Direct(certificateOf(t, ts.config))
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: ts.config.Host, Transport: way})
	require.NoError(t, err)
	_, err = client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "test"}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	maps := client.CoreV1().ConfigMaps("test")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, err := maps.Watch(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	// Each is larger than what is held back.
	big := map[string]string{"k": strings.Repeat("x", 3*(64<<10))}
	for _, name := range []string{"a", "b", "c"} {
		made, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: big},
			metav1.CreateOptions{})
		require.NoError(t, err)
		require.Equal(t, big, made.Data)
	}
	for _, name := range []string{"a", "b", "c"} {
		event := <-events.ResultChan()
		require.Equal(t, watch.Added, event.Type)
		require.Equal(t, name, event.Object.(*corev1.ConfigMap).Name)
		require.Equal(t, big, event.Object.(*corev1.ConfigMap).Data)
	}
	_, err = maps.Get(t.Context(), "none", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	list, err := maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 3)
	self, err := client.CoreV1().RESTClient().Get().AbsPath("/version").DoRaw(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(self), "gitVersion")

	// The client's end of a watch is the handler's, too.
	cancel()
	for range events.ResultChan() { //nolint:revive // until it is closed
	}
	require.Eventually(t, func() bool { return ts.running.Load() == 0 }, time.Minute, time.Millisecond)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = maps.Get(canceled, "a", metav1.GetOptions{})
	require.ErrorIs(t, err, context.Canceled)

	// So is the server's.
	events, err = maps.Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	ts.stop()
	for range events.ResultChan() { //nolint:revive // as above
	}
	_, err = maps.Get(t.Context(), "a", metav1.GetOptions{})
	require.ErrorIs(t, err, http.ErrServerClosed)
}

// A certificate of another cluster opens nothing.
func TestDirectChecksTheCertificate(t *testing.T) {
	ts := start(t)
	_, foreign := certificates(t)
	_, err := ts.Direct(certificateOf(t, foreign))
	require.ErrorContains(t, err, "checking the certificate of ")
}
