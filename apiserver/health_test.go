package apiserver

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
)

// Everybody may ask for the health of a server, whole or check by check (Kubernetes API health endpoints).
func TestHealth(t *testing.T) {
	ts := start(t)
	nobody := rest.AnonymousClientConfig(ts.config)
	for _, c := range []struct {
		path string
		code int
		body string
	}{
		{"/healthz", 200, "ok"},
		{"/livez", 200, "ok"},
		{"/readyz", 200, "ok"},
		{"/livez?verbose", 200, "[+]ping ok\n[+]etcd ok\nlivez check passed\n"},
		{"/readyz?verbose&exclude=etcd", 200, "[+]ping ok\n[+]etcd excluded: ok\n[+]informer-sync ok\n[+]shutdown ok\nreadyz check passed\n"},
		{"/readyz/etcd", 200, "ok"},
		{"/livez/shutdown", 404, "there is no check \"shutdown\"\n"},
		{"/healthz/none", 404, "there is no check \"none\"\n"},
	} {
		response, body := ts.callAs(t, nobody, "GET", c.path, "")
		require.Equal(t, c.code, response.StatusCode, c.path)
		require.Equal(t, c.body, string(body), c.path)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that etcd can't be asked
	out := httptest.NewRecorder()
	ts.health(out, httptest.NewRequestWithContext(ended, "GET", "/readyz", nil))
	require.Equal(t, 500, out.Code)
	require.Equal(t, "[+]ping ok\n[-]etcd failed: context canceled\n[+]informer-sync ok\n[+]shutdown ok\nreadyz check failed\n",
		out.Body.String())
}

func TestVersion(t *testing.T) {
	ts := start(t)
	_, body := ts.callAs(t, rest.AnonymousClientConfig(ts.config), "GET", "/version", "")
	var v version.Info
	require.NoError(t, json.Unmarshal(body, &v))
	require.Equal(t, KubernetesVersion+"+minik.test", v.GitVersion)
	require.Equal(t, "1", v.Major)
	require.NotEmpty(t, v.GoVersion)
}
