package apiserver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The counters have upstream's names and labels, and nobody can add labels by asking for what is not there.
func TestMetrics(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	w := ts.watchMaps(t, metav1.ListOptions{})
	require.Equal(t, "ADDED a", told(t, w))
	_, err := ts.client.CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	ts.call(t, "GET", "/api/v1/namespaces/shop/made-up/x", "")
	ts.call(t, "GET", "/apis/made.up/v1/things", "")
	ts.call(t, "MADEUP", "/api/v1/namespaces/shop/configmaps/a", "")
	ts.call(t, "GET", "/api/v1/namespaces/shop/configmaps/a/made-up", "")
	ts.call(t, "GET", "/made-up", "")
	_, body := ts.call(t, "GET", "/metrics", "")
	for _, line := range []string{
		`apiserver_request_total{code="201",group="",resource="configmaps",scope="resource",subresource="",verb="POST",version="v1"} 1`,
		`apiserver_request_total{code="200",group="",resource="configmaps",scope="cluster",subresource="",verb="LIST",version="v1"} 1`,
		`apiserver_longrunning_requests{group="",resource="configmaps",verb="WATCH",version="v1"} 1`,
		`apiserver_request_duration_seconds_count{group="",resource="configmaps",scope="cluster",subresource="",verb="LIST",version="v1"} 1`,
		`etcd_request_duration_seconds_count{operation="create",type="configmaps"} 1`,
		"go_goroutines ",
	} {
		require.True(t, strings.Contains(string(body), line), line)
	}
	require.False(t, strings.Contains(string(body), "made-up"), "a resource or a path that there is not")
	require.False(t, strings.Contains(string(body), "MADEUP"), "a method that there is not")
}
