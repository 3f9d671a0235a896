package proxy

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// A node counts its own endpoints that are ready, each once, however many ports and slices name it.
func TestLocalEndpoints(t *testing.T) {
	endpoint := func(ip, node string, ready *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{ip}, NodeName: &node, Conditions: discoveryv1.EndpointConditions{
			Ready: ready, Serving: ptr.To(true), Terminating: ptr.To(ready != nil)}}
	}
	from := []*discoveryv1.EndpointSlice{
		{Endpoints: []discoveryv1.Endpoint{
			endpoint("10.0.1.2", "node-1", nil), endpoint("10.0.1.3", "node-1", ptr.To(false)), endpoint("10.0.2.2", "node-2", nil),
		}},
		{Endpoints: []discoveryv1.Endpoint{endpoint("10.0.1.2", "node-1", nil)}},
	}
	require.Equal(t, []Backend{{IP: "10.0.1.2", Node: "node-1"}}, localEndpoints(from, "node-1"))
	require.Empty(t, localEndpoints(from, "node-3"))
}

// The answer is upstream's, byte for byte; a rule without backends still has a listener, so that somebody says no.
func TestHealthCheck(t *testing.T) {
	rule := Rule{Listen: Listen{"10.128.1.1", 31999, corev1.ProtocolTCP}, Health: true,
		Service: types.NamespacedName{Namespace: "shop", Name: "web"}}
	require.Len(t, plan(nil, nil, Table{Rules: []Rule{rule}}, time.Time{}).Open, 1)

	l := &healthListener{}
	ask := func(backends ...Backend) *httptest.ResponseRecorder {
		rule.Backends = backends
		l.update(rule)
		answer := httptest.NewRecorder()
		l.ServeHTTP(answer, httptest.NewRequest("GET", "/healthz", nil))
		return answer
	}
	require.Equal(t, 503, ask().Code)
	answer := ask(Backend{IP: "10.0.1.2"}, Backend{IP: "10.0.1.3"})
	require.Equal(t, 200, answer.Code)
	require.Equal(t, "2", answer.Header().Get("X-Load-Balancing-Endpoint-Weight"))
	require.Equal(t, `{
	"service": {
		"namespace": "shop",
		"name": "web"
	},
	"localEndpoints": 2,
	"serviceProxyHealthy": true
}`, answer.Body.String())
}
