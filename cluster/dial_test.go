package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/portforward"

	"minik.dev/cluster/network"
)

// Every part of the cluster connects to others by the cluster's network; the name server's part is tested there. Each port
// of the pod is for another part to connect to.
func TestAllPartsDialByTheNetwork(t *testing.T) {
	var dialed sync.Map
	c, client := run(t, Options{Nodes: 1, Loopback: true}, func(c *Cluster) {
		dial := c.dial
		c.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dialed.Store(address, true)
			return dial(ctx, network, address)
		}
	})
	const readiness, liveness, hook, forwarded, proxied, served = 8081, 8082, 8083, 8084, 8085, 8086
	get := func(port int32) *corev1.HTTPGetAction { return &corev1.HTTPGetAction{Port: intstr.FromInt32(port)} }
	box := corev1.Container{Name: "box", Image: "nginx",
		ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: get(readiness)}},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(liveness)}}},
		Lifecycle: &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{HTTPGet: get(hook)}}}
	for port := int32(readiness); port <= served; port++ {
		box.Ports = append(box.Ports, corev1.ContainerPort{ContainerPort: port})
	}
	pods, services := client.CoreV1().Pods("default"), client.CoreV1().Services("default")
	meta := metav1.ObjectMeta{Name: "box", Labels: map[string]string{"app": "box"}}
	pod, err := pods.Create(t.Context(), &corev1.Pod{ObjectMeta: meta,
		Spec: corev1.PodSpec{Containers: []corev1.Container{box}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	service, err := services.Create(t.Context(), &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Selector: meta.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(served)}}}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		pod, err = pods.Get(t.Context(), "box", metav1.GetOptions{})
		return err == nil && len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].Ready
	}, patience, tick)
	node, _ := c.network.Node(1)
	dials := func(ip string, port int32) {
		t.Helper()
		require.Eventually(t, func() bool {
			_, ok := dialed.LoadAndDelete(fmt.Sprintf("%s:%d", ip, port))
			return ok
		}, patience, tick, "nobody dials %s:%d", ip, port)
	}
	dials(pod.Status.PodIP, readiness)
	dials(pod.Status.PodIP, liveness)
	dials(pod.Status.PodIP, hook)

	// port-forward, by way of the kubelet
	at := client.CoreV1().RESTClient().Post().Namespace("default").Resource("pods").Name("box").SubResource("portforward").URL()
	dialer, err := portforward.NewSPDYOverWebsocketDialer(at, c.Config())
	require.NoError(t, err)
	connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	require.NoError(t, err)
	headers := http.Header{}
	headers.Set(corev1.PortHeader, fmt.Sprint(forwarded))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	_, err = connection.CreateStream(headers)
	require.NoError(t, err)
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	stream, err := connection.CreateStream(headers)
	require.NoError(t, err)
	_, err = io.WriteString(stream, "GET / HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(stream)
	require.NoError(t, err)
	require.Contains(t, string(answer), "hostname: box")
	require.NoError(t, connection.Close())
	dials(node.String(), network.KubeletPort)
	dials(pod.Status.PodIP, forwarded)

	_, err = pods.GetLogs("box", &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	dials(node.String(), network.KubeletPort)
	_, err = pods.ProxyGet("http", "box", fmt.Sprint(proxied), "/", nil).DoRaw(t.Context())
	require.NoError(t, err)
	dials(pod.Status.PodIP, proxied)
	visitor := &http.Client{Transport: &http.Transport{DialContext: c.network.Dial, DisableKeepAlives: true}}
	require.Eventually(t, func() bool {
		response, err := visitor.Get("http://" + service.Spec.ClusterIP)
		return err == nil && response.Body.Close() == nil
	}, patience, tick)
	dials(pod.Status.PodIP, served)
}
