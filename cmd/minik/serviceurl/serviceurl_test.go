package serviceurl

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func service(namespace, name string, spec corev1.ServiceSpec, ingress ...string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
	for _, ip := range ingress {
		s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: ip})
	}
	return s
}

// A Service is reached at its load balancer, else at a node port, else at its cluster address.
func TestServiceURLs(t *testing.T) {
	nodes := []corev1.Node{{Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
		{Type: corev1.NodeHostName, Address: "node-1"}, {Type: corev1.NodeInternalIP, Address: "10.128.1.1"},
	}}}}
	http80 := []corev1.ServicePort{{Name: "http", Port: 80}}
	services := []*corev1.Service{
		service("shop", "front", corev1.ServiceSpec{ClusterIP: "10.96.0.5", Ports: []corev1.ServicePort{
			{Name: "http", Port: 80, NodePort: 30001}, {Name: "https", Port: 443, NodePort: 30002},
		}}, "10.96.0.77"),
		service("default", "node", corev1.ServiceSpec{ClusterIP: "10.96.0.6", Ports: []corev1.ServicePort{
			{Port: 8080, NodePort: 30080},
		}}),
		service("default", "inside", corev1.ServiceSpec{ClusterIP: "10.96.0.7", Ports: http80}),
		service("default", "headless", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: http80}),
		service("default", "outside", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, Ports: http80}),
		service("default", "mixed", corev1.ServiceSpec{ClusterIP: "10.96.0.8", Ports: []corev1.ServicePort{
			{Name: "db", Port: 5432}, {Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP},
		}}),
	}
	address := func(ip string, port int32) string { return net.JoinHostPort(ip, strconv.Itoa(int(port))) }
	var lines []string
	for _, url := range Of(services, nodes, address) {
		lines = append(lines, url.Service+" "+url.String())
	}
	require.Equal(t, []string{
		"inside http://10.96.0.7",
		"mixed tcp://10.96.0.8:5432",
		"mixed udp://10.96.0.8:53",
		"node http://10.128.1.1:30080",
		"shop/front http://10.96.0.77",
		"shop/front https://10.96.0.77",
	}, lines)

	// Where addresses are mapped, the URL is what is really listened on.
	mapped := Of(services[:1], nodes, func(string, int32) string { return "127.0.0.1:18080" })
	require.Equal(t, "http://127.0.0.1:18080", mapped[0].String())
}

// A URL answers when the Service behind it does, whatever it says; a proxy that finds no backend is no answer.
func TestCheckURLs(t *testing.T) {
	attempts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if attempts++; attempts == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	here := strings.TrimPrefix(server.URL, "http://")

	answers := Check(context.Background(), []URL{
		{Service: "web", Network: "tcp", Scheme: "http", Address: here},
		{Service: "db", Network: "tcp", Scheme: "tcp", Address: here},
	})
	require.Equal(t, []string{
		"  web  http://" + here + "  answers: 404 Not Found",
		"  db   tcp://" + here + "   answers: connected",
	}, Lines(answers))
	require.Equal(t, 2, attempts)

	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.False(t, Check(ended, []URL{{Scheme: "http", Network: "tcp", Address: "127.0.0.1:1"}})[0].OK)
}

// The URL to try is one from outside of the cluster, if there is one that answers.
func TestFirst(t *testing.T) {
	inside := Answer{URL: URL{Scheme: "http", Address: "10.96.0.5:80"}, OK: true}
	outside := Answer{URL: URL{Scheme: "http", Address: "10.96.255.1:80", Outside: true}, OK: true}
	silent := Answer{URL: outside.URL}
	database := Answer{URL: URL{Scheme: "tcp", Address: "10.96.0.6:5432"}, OK: true}
	require.Equal(t, "http://10.96.255.1", First([]Answer{database, inside, outside}))
	require.Equal(t, "http://10.96.0.5", First([]Answer{silent, inside}))
	require.Empty(t, First([]Answer{silent, database}))
}
