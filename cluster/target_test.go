package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// The API server connects to no address that somebody has written into a Node, a Pod or an EndpointSlice unless it is one of
// this cluster's nodes or pods; and to a node's kubelet at a kubelet's port alone, as it shows it who it is.
func TestProxyReachesNodesAndPodsAlone(t *testing.T) {
	c, client := run(t, Options{Nodes: 1, Loopback: true})
	secret, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var visits atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		visits.Add(1)
		_, _ = w.Write([]byte("secret"))
	}), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			visits.Add(1)
		}
	}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(secret) }()
	t.Cleanup(func() { server.Close(); require.ErrorIs(t, <-served, http.ErrServerClosed) })
	at := netip.MustParseAddrPort(secret.Addr().String()).Port()
	api := netip.MustParseAddrPort(strings.TrimPrefix(c.host, "https://")).Port()
	control := c.network.ControlPlaneIP().String()
	kubelet, _ := c.network.Node(1)

	for i, evil := range []struct {
		kind    corev1.NodeAddressType
		address string
		port    uint16
	}{
		{corev1.NodeInternalIP, control, api}, // as the kubelets' client, who may do everything
		{corev1.NodeInternalIP, "127.0.0.1", api},
		{corev1.NodeInternalIP, "127.0.0.1", at},
		{corev1.NodeInternalIP, "localhost", at},
		{corev1.NodeInternalIP, "::ffff:127.0.0.1", at},
		{corev1.NodeInternalIP, "::1", at},
		{corev1.NodeInternalIP, "169.254.169.254", 80},
		{corev1.NodeInternalIP, kubelet.String(), at},
		{corev1.NodeInternalDNS, "localhost", at},
		{corev1.NodeHostName, "localhost", at},
		{corev1.NodeExternalIP, "127.0.0.1", at},
	} {
		name := fmt.Sprintf("evil-%d", i)
		t.Run(fmt.Sprintf("%s %s %d", evil.kind, evil.address, evil.port), func(t *testing.T) {
			evilNode(t, client, name, corev1.NodeAddress{Type: evil.kind, Address: evil.address}, int32(evil.port))
			pod := evilPod(t, client, name, evil.address, int32(evil.port))
			evilService(t, client, name, evil.address, int32(evil.port))
			inPod := "/api/v1/namespaces/default/pods/" + pod
			for _, path := range []string{
				"/api/v1/nodes/" + name + "/proxy/api/v1/secrets",
				fmt.Sprintf("/api/v1/nodes/%s:%d/proxy/api/v1/secrets", name, evil.port),
				fmt.Sprintf("/api/v1/nodes/https:%s:%d/proxy/api/v1/secrets", name, evil.port),
				fmt.Sprintf("/api/v1/nodes/%s:%d/proxy/", name, at),
				inPod + "/log", inPod + "/exec?command=id&stdout=true", inPod + "/attach?stdout=true", inPod + "/portforward?ports=80",
			} {
				refused(t, client, path, "address not allowed", "has no InternalIP")
			}
			if evil.address == kubelet.String() {
				return // which a pod on the host's network has
			}
			for _, path := range []string{inPod + "/proxy/", "/api/v1/namespaces/default/pods/https:" + pod + ":/proxy/",
				"/api/v1/namespaces/default/services/" + name + "/proxy/"} {
				refused(t, client, path, "address not allowed", "no endpoints available", "has no address yet")
			}
		})
	}
	require.Zero(t, visits.Load(), "the secret was asked for")

	// What is the cluster's own is reached.
	node := client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/node-1/proxy/healthz")
	answer, err := node.DoRaw(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ok", string(answer))
}

// refused asks for the path in the ways there are, and returns when each was refused in one of these words.
func refused(t *testing.T, client kubernetes.Interface, path string, words ...string) {
	t.Helper()
	at, query, _ := strings.Cut(path, "?")
	for _, verb := range []string{http.MethodGet, http.MethodPost} {
		request := client.CoreV1().RESTClient().Verb(verb).AbsPath(at)
		for _, parameter := range strings.Split(query, "&") {
			if name, value, ok := strings.Cut(parameter, "="); ok {
				request.Param(name, value)
			}
		}
		answer, err := request.DoRaw(context.WithoutCancel(t.Context()))
		if apierrors.IsMethodNotSupported(err) {
			continue
		}
		var status metav1.Status
		_ = json.Unmarshal(answer, &status)
		said := fmt.Sprint(err) + status.Message
		found := false
		for _, word := range words {
			found = found || strings.Contains(said, word)
		}
		assert.True(t, err != nil && found, "%s %s: %v: %.300s", verb, path, err, answer)
	}
}

func evilNode(t *testing.T, client kubernetes.Interface, name string, address corev1.NodeAddress, port int32) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	require.NoError(t, err)
	patch := fmt.Sprintf(`{"status":{"addresses":[{"type":%q,"address":%q}],"daemonEndpoints":{"kubeletEndpoint":{"Port":%d}}}}`,
		address.Type, address.Address, port)
	_, err = client.CoreV1().Nodes().Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	require.NoError(t, err)
}

func evilPod(t *testing.T, client kubernetes.Interface, node, ip string, port int32) string {
	pods := client.CoreV1().Pods("default")
	pod, err := pods.Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: corev1.PodSpec{NodeName: node,
		Containers: []corev1.Container{{Name: "c", Image: "i", Ports: []corev1.ContainerPort{{ContainerPort: port}}}}}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	patch := fmt.Sprintf(`{"status":{"podIP":%q,"podIPs":[{"ip":%q}]}}`, ip, ip)
	_, err = pods.Patch(t.Context(), pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	if !apierrors.IsInvalid(err) { // as it should be for some: then it has no address
		require.NoError(t, err)
	}
	return pod.Name
}

func evilService(t *testing.T, client kubernetes.Interface, name, ip string, port int32) {
	_, err := client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	family := discoveryv1.AddressTypeIPv4
	if strings.Contains(ip, ":") {
		family = discoveryv1.AddressTypeIPv6
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: family, Ports: []discoveryv1.EndpointPort{{Port: &port}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{ip}}}}
	_, err = client.DiscoveryV1().EndpointSlices("default").Create(t.Context(), slice, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) { // as it should be for some
		require.NoError(t, err)
	}
}
