package apiserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

// backend serves what a pod would, and tells how it was asked. It returns its address and its port.
func backend(t *testing.T) (string, int32) {
	upgrader := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case websocket.IsWebSocketUpgrade(req):
			conn, err := upgrader.Upgrade(w, req, nil)
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			_, message, err := conn.ReadMessage()
			if err == nil {
				_ = conn.WriteMessage(websocket.TextMessage, append([]byte("echo "), message...))
			}
		case req.URL.Path == "/moved":
			http.Redirect(w, req, "/here", http.StatusFound)
		case req.URL.Path == "/teapot":
			w.WriteHeader(http.StatusTeapot)
		default:
			body, _ := io.ReadAll(req.Body)
			_, _ = fmt.Fprintf(w, "%s %s body %d as %q", req.Method, req.URL.RequestURI(), len(body), req.Header.Get("Impersonate-User"))
		}
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	require.NoError(t, err)
	port, err := strconv.ParseInt(address.Port(), 10, 32)
	require.NoError(t, err)
	return address.Hostname(), int32(port)
}

// served makes a pod that serves at the backend, and a service before it, "web", with a port named http and one that
// nothing is behind.
func (ts *testServer) served(t *testing.T, ip string, port int32) {
	ctx := t.Context()
	ts.namespace(t, "proxy") // a name that the path could be cut at
	pods := ts.client.CoreV1().Pods("proxy")
	pod, err := pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "c", Image: "i", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: port}}}}}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	pod.Status.PodIP, pod.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "new"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = ts.client.CoreV1().Services("proxy").Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "none", Port: 81}}}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = ts.client.DiscoveryV1().EndpointSlices("proxy").Create(ctx, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: &port}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{ip}},
			{Addresses: []string{"127.0.0.9"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(false)}},
		}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = ts.client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// What pods, services and nodes serve is reached through the API (Kubernetes' "Access Services Running on Clusters").
func TestProxy(t *testing.T) {
	ts := start(t)
	ip, port := backend(t)
	ts.served(t, ip, port)
	const pods, services = "/api/v1/namespaces/proxy/pods/", "/api/v1/namespaces/proxy/services/"
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", pods + "web/proxy/a/b?x=1&y=%20", "", 200, `GET /a/b?x=1&y=%20 body 0 as ""`},
		{"GET", pods + "web:http/proxy/", "", 200, `GET / body 0 as ""`},
		{"GET", fmt.Sprintf("%sweb:%d/proxy/a%%2Fb/", pods, port), "", 200, `GET /a%2Fb/ body 0`},
		{"DELETE", pods + "web/proxy/x", "", 200, "DELETE /x"},
		{"PATCH", services + "web:http/proxy/x", "{}", 200, "PATCH /x body 2"},
		{"PUT", services + "http:web:80/proxy/x", strings.Repeat("x", maxBody+1), 200, fmt.Sprintf("PUT /x body %d", maxBody+1)},
		{"GET", fmt.Sprintf("/api/v1/nodes/node-1:%d/proxy/x", port), "", 200, "GET /x"},
		{"GET", pods + "web/proxy/teapot", "", 418, ""},
		{"GET", pods + "new/proxy/", "", 400, "pod new has no address yet"},
		{"GET", pods + "web:other/proxy/", "", 400, `pod web has no port named \"other\"`},
		{"GET", pods + "ftp:web:21/proxy/", "", 400, `invalid pod request \"ftp:web:21\"`},
		{"GET", pods + "gone/proxy/", "", 404, `pods \"gone\" not found`},
		{"GET", services + "web:none/proxy/", "", 503, `no endpoints available for service \"web\"`},
		{"GET", services + "web:90/proxy/", "", 503, `no service port \"90\" found for service \"web\"`},
	} {
		response, body := ts.call(t, c.method, c.path, c.body, "Impersonate-User", "jane", "Impersonate-Group", "system:masters")
		require.Equal(t, c.code, response.StatusCode, "%s %s: %s", c.method, c.path, body)
		require.Contains(t, string(body), c.want, c.path)
	}
}

// A redirect stays within the proxy, and a path without its slash gets one.
func TestProxyRedirects(t *testing.T) {
	ts := start(t)
	ip, port := backend(t)
	ts.served(t, ip, port)
	transport, err := rest.TransportFor(ts.config)
	require.NoError(t, err)
	for from, to := range map[string]string{"": "/", "/moved": "/here"} {
		const base = "/api/v1/namespaces/proxy/pods/web/proxy"
		req, err := http.NewRequestWithContext(t.Context(), "GET", ts.config.Host+base+from, nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Contains(t, []int{http.StatusFound, http.StatusMovedPermanently}, response.StatusCode)
		location, err := url.Parse(response.Header.Get("Location"))
		require.NoError(t, err)
		require.Equal(t, base+to, location.Path)
	}
}

func TestProxyUpgrades(t *testing.T) {
	ts := start(t)
	ip, port := backend(t)
	ts.served(t, ip, port)
	tlsConfig, err := rest.TLSConfigFor(ts.config)
	require.NoError(t, err)
	tlsConfig.NextProtos = []string{"http/1.1"}
	where := strings.Replace(ts.config.Host, "https://", "wss://", 1) + "/api/v1/namespaces/proxy/services/web:http/proxy/talk"
	conn, _, err := (&websocket.Dialer{TLSClientConfig: tlsConfig}).DialContext(context.WithoutCancel(t.Context()), where, nil)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("hello")))
	_, message, err := conn.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "echo hello", string(message))
}

// A redirect is the client's to follow: the API server does not go where a backend sends it, nor where somebody has written
// that a Node, a Pod or an endpoint is.
func TestProxyStaysInTheCluster(t *testing.T) {
	ts := start(t)
	visits := 0
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits++ }))
	t.Cleanup(secret.Close)
	to := ""
	pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to, http.StatusFound)
	}))
	t.Cleanup(pod.Close)
	at, err := url.Parse(pod.URL)
	require.NoError(t, err)
	port, err := strconv.ParseInt(at.Port(), 10, 32)
	require.NoError(t, err)
	ts.served(t, at.Hostname(), int32(port))
	transport, err := rest.TransportFor(ts.config)
	require.NoError(t, err)
	ask := func(path string) *http.Response { // and follow nothing
		req, err := http.NewRequestWithContext(t.Context(), "GET", ts.config.Host+path, nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response
	}
	for _, where := range []string{secret.URL + "/secret", "http://169.254.169.254/latest/meta-data/"} {
		to = where
		for _, way := range []string{"namespaces/proxy/pods/web", "namespaces/proxy/services/web:http", fmt.Sprint("nodes/node-1:", port)} {
			response := ask("/api/v1/" + way + "/proxy/a")
			require.Equal(t, http.StatusFound, response.StatusCode, way)
			require.Equal(t, where, response.Header.Get("Location"), way)
		}
	}
	require.Zero(t, visits)

	// Endpoints that are elsewhere are passed over, and so is a Service that has no others.
	slices := ts.client.DiscoveryV1().EndpointSlices("proxy")
	slice, err := slices.Get(t.Context(), "web-1", metav1.GetOptions{})
	require.NoError(t, err)
	slice.Endpoints = append([]discoveryv1.Endpoint{{Addresses: []string{"203.0.113.1"}}}, slice.Endpoints...)
	slice, err = slices.Update(t.Context(), slice, metav1.UpdateOptions{})
	require.NoError(t, err)
	for range 20 {
		require.Equal(t, http.StatusFound, ask("/api/v1/namespaces/proxy/services/web:http/proxy/").StatusCode)
	}
	slice.Endpoints = slice.Endpoints[:1]
	_, err = slices.Update(t.Context(), slice, metav1.UpdateOptions{})
	require.NoError(t, err)
	response, body := ts.call(t, "GET", "/api/v1/namespaces/proxy/services/web:http/proxy/", "")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Contains(t, string(body), "address not allowed: 203.0.113.1 is no address of this cluster")
}
