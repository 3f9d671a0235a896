package apiserver

import (
	"bufio"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// events are the first events of the watch at the path: "ADDED shop/a".
func (ts *testServer) events(t testing.TB, path string, n int) (out []string) {
	t.Helper()
	body, err := ts.client.CoreV1().RESTClient().Get().RequestURI(path).Stream(t.Context())
	require.NoError(t, err)
	defer func() { _ = body.Close() }()
	for lines := bufio.NewScanner(body); len(out) < n && lines.Scan(); {
		var event struct {
			Type   string
			Object metav1.PartialObjectMetadata
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &event), "%s", lines.Bytes())
		out = append(out, event.Type+" "+event.Object.Namespace+"/"+event.Object.Name)
	}
	return out
}

// The deprecated paths of a watch: of a whole resource, of one in a namespace, of one object.
func TestWatchesByPath(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.namespace(t, "bank")
	a := ts.configMap(t, "shop", "a")
	ts.configMap(t, "bank", "b")
	ts.setData(t, "a", "1")
	ts.deployment(t, "web")
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/api/v1/watch/configmaps", []string{"ADDED bank/b", "ADDED shop/a"}},
		{"/api/v1/watch/configmaps?fieldSelector=metadata.namespace=shop", []string{"ADDED shop/a"}},
		{"/api/v1/watch/configmaps?watch=false&resourceVersion=" + a.ResourceVersion, []string{"ADDED bank/b", "MODIFIED shop/a"}},
		{"/api/v1/watch/namespaces/shop/configmaps", []string{"ADDED shop/a"}},
		{"/api/v1/watch/namespaces/bank/configmaps/b", []string{"ADDED bank/b"}},
		{"/api/v1/watch/namespaces/bank/configmaps/b?fieldSelector=metadata.name%3Db", []string{"ADDED bank/b"}},
		{"/api/v1/watch/namespaces/shop", []string{"ADDED /shop"}},
		{"/apis/apps/v1/watch/namespaces/shop/deployments/web", []string{"ADDED shop/web"}},
		{"/at/" + a.ResourceVersion + "/api/v1/watch/namespaces/shop/configmaps/a", []string{"ADDED shop/a", "MODIFIED shop/a"}},
		{"/api/v1/namespaces/shop/configmaps?watch", []string{"ADDED shop/a"}},
	} {
		require.Equal(t, c.want, ts.events(t, c.path, len(c.want)), c.path)
	}
}

func TestWatchesByPathThatAreNone(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	const one = "/api/v1/watch/namespaces/shop/configmaps/a"
	for _, c := range []struct {
		method, path string
		code         int
		message      string
	}{
		{"GET", "/api/v1/watch", 404, ""},
		{"GET", "/api/v1/watch/things", 404, ""},
		{"GET", "/apis/apps/v1/watch/namespaces/shop/deployments/web/scale", 404, ""},
		{"POST", "/api/v1/watch/namespaces/shop/configmaps", 405, "post is not supported on resources of kind \"configmaps\""},
		{"DELETE", one, 405, "delete is not supported on resources of kind \"configmaps\""},
		{"GET", "/api/v1/watch/bindings", 405, "watch is not supported on resources of kind \"bindings\""},
		{"GET", one + "?fieldSelector=metadata.name%3Db", 400, "fieldSelector metadata.name doesn't match requested name"},
		{"GET", one + "?fieldSelector=metadata.namespace%3Dshop", 400, "fieldSelector metadata.name doesn't match requested name"},
		{"GET", "/api/v1/namespaces/shop/configmaps/a?watch=1", 200, ""}, // the object: one is watched by the path, or a selector
	} {
		response, body := ts.call(t, c.method, c.path, "")
		require.Equal(t, c.code, response.StatusCode, "%s %s: %s", c.method, c.path, body)
		if c.message != "" {
			require.Equal(t, c.message, status(t, body).Message)
		}
	}
	response, body := ts.call(t, "GET", one, "", "Impersonate-User", "jane")
	require.Equal(t, 403, response.StatusCode)
	require.Equal(t, `configmaps "a" is forbidden: User "jane" cannot watch resource "configmaps" in API group "" in the namespace "shop"`,
		status(t, body).Message)
}
