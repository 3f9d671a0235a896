package apiserver

import (
	"context"
	"encoding/json"
	"errors"
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
		{"/livez?verbose&exclude=none", 200, "[+]ping ok\n[+]etcd ok\nwarn: some health checks cannot be excluded: " +
			"no matches for \"none\"\nlivez check passed\n"},
		{"/readyz/etcd", 200, "ok"},
		{"/livez/shutdown", 404, "there is no check \"shutdown\"\n"},
		{"/healthz/none", 404, "there is no check \"none\"\n"},
	} {
		response, body := ts.callAs(t, nobody, "GET", c.path, "")
		require.Equal(t, c.code, response.StatusCode, c.path)
		require.Equal(t, c.body, string(body), c.path)
	}
}

// One check that fails makes the whole fail, and what is said names it.
func TestOneFailingCheckFailsTheWhole(t *testing.T) {
	fine := func(context.Context) error { return nil }
	checks := []check{
		{"ping", true, fine},
		{"etcd", true, func(context.Context) error { return errors.New("no answer") }},
		{"informer-sync", false, fine},
	}
	for path, want := range map[string]string{
		"/readyz":              "[+]ping ok\n[-]etcd failed: no answer\n[+]informer-sync ok\nreadyz check failed\n",
		"/livez":               "[+]ping ok\n[-]etcd failed: no answer\nlivez check failed\n",
		"/readyz/ping":         "ok",
		"/readyz?exclude=etcd": "ok",
	} {
		out := httptest.NewRecorder()
		serveChecks(checks, out, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		require.Equal(t, want, out.Body.String(), path)
		require.Equal(t, want != "ok", out.Code == 500, path)
	}
}

func TestVersion(t *testing.T) {
	ts := start(t)
	_, body := ts.callAs(t, rest.AnonymousClientConfig(ts.config), "GET", "/version", "")
	var v version.Info
	require.NoError(t, json.Unmarshal(body, &v))
	require.Equal(t, KubernetesVersion+"+minik.test", v.GitVersion)
	require.Equal(t, "1", v.Major)
	require.NotEmpty(t, v.GoVersion)

	for accept, code := range map[string]int{
		mediaJSON + ", */*": 200, "text/html, */*;q=0.1": 200, mediaProto + "," + mediaJSON: 200,
		mediaYAML: 406, mediaProto: 406, "text/html": 406,
	} {
		response, body := ts.call(t, "GET", "/version", "", "Accept", accept)
		require.Equal(t, code, response.StatusCode, "%s: %s", accept, body)
	}
	_, body = ts.call(t, "GET", "/version", "", "Accept", "text/html")
	require.Equal(t, "only the following media types are accepted: application/json", status(t, body).Message)
}
