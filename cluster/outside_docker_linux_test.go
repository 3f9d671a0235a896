package cluster

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/cluster/network"
	"minik.dev/kubelet/docker/dockertest"
)

// With real containers, those of the cluster's pods reach its Services, names, node ports and API server; another machine
// does not, and neither does a container of this engine that is not the cluster's.
func TestOutsideIsRefusedOnDocker(t *testing.T) {
	engine := dockertest.Engine(t)
	tool, busybox := dockertest.Tool(t), dockertest.Busybox(t)
	m := newMachine(t, prefix("10.0.0.0/8"), prefix("127.0.0.0/8"))
	c, client := run(t, Options{Nodes: 1, Runtime: runtimeDocker})
	n := c.network
	require.True(t, n.ReachedByContainers())

	web := runPod(t, client, "web", tool, "serve", ":8080")
	service, err := client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Selector: web.Labels, Ports: []corev1.ServicePort{{Port: 8080}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	node, _ := n.Node(1)
	cluster := netip.AddrPortFrom(netip.MustParseAddr(service.Spec.ClusterIP), 8080)
	port := netip.AddrPortFrom(node, uint16(service.Spec.Ports[0].NodePort))
	targets := []target{
		{"ClusterIP", cluster.String(), askTCP}, {"node port", port.String(), askTCP},
		{"Service kubernetes", netip.AddrPortFrom(n.APIServiceIP, 443).String(), askTLS},
		{"kubelet", netip.AddrPortFrom(node, network.KubeletPort).String(), askTLS},
		{"cluster DNS", netip.AddrPortFrom(n.DNSIP, 53).String(), askDNS("udp")},
		{"cluster DNS over TCP", netip.AddrPortFrom(n.DNSIP, 53).String(), askDNS("tcp")},
		{"name server", netip.AddrPortFrom(n.ControlPlaneIP(), 53).String(), askDNS("udp")},
	}
	for _, g := range targets {
		require.Eventually(t, func() bool { return g.ask(g.address) == nil }, patience, tick, "this machine does not reach %s", g)
	}
	runPod(t, client, "visitor", tool, "get", "http://web.default.svc.cluster.local:8080", "get", "http://"+port.String(),
		"get", fmt.Sprintf("http://%s:443", n.APIServiceIP)) // which is told to speak TLS
	said := ""
	require.Eventually(t, func() bool {
		log, err := client.CoreV1().Pods("default").GetLogs("visitor", &corev1.PodLogOptions{}).DoRaw(t.Context())
		said = string(log)
		return err == nil && said == "web says hello\nweb says hello\nClient sent an HTTP request to an HTTPS server.\n"
	}, patience, tick, "%s", &said)

	m.reaches(unguarded(t, n.DNSIP))
	m.reachesNot(targets)
	for _, address := range []netip.AddrPort{cluster, port, netip.AddrPortFrom(n.APIServiceIP, 443)} {
		got := inContainer(t, engine, busybox, fmt.Sprintf(`printf "GET / HTTP/1.0\r\n\r\n" | nc -w 5 %s %d 2>&1; echo asked`,
			address.Addr(), address.Port()))
		require.NotContains(t, got, "HTTP/1", "a container that is not the cluster's reaches %s", address)
		require.Contains(t, got, "asked")
	}
	got := inContainer(t, engine, busybox, "nslookup kubernetes.default.svc.cluster.local "+n.DNSIP.String()+" 2>&1")
	require.NotContains(t, got, n.APIServiceIP.String())
}

// runPod runs a pod of the image, and returns when it does.
func runPod(t *testing.T, client kubernetes.Interface, name, image string, args ...string) *corev1.Pod {
	pod, err := client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "c", Image: image, Args: args}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		pod, err = client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && pod.Status.Phase != corev1.PodPending
	}, patience, tick)
	return pod
}

// inContainer runs a shell in a container of the engine's own bridge, and returns what it says.
func inContainer(t *testing.T, engine *client.Client, image, script string) string {
	ctx := context.WithoutCancel(t.Context())
	made, err := engine.ContainerCreate(ctx, &container.Config{Image: image, Cmd: []string{"sh", "-c", script}}, nil, nil, nil, "")
	require.NoError(t, err)
	defer func() { require.NoError(t, engine.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true})) }()
	ended, failed := engine.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	require.NoError(t, engine.ContainerStart(ctx, made.ID, container.StartOptions{}))
	select {
	case <-ended:
	case err := <-failed:
		require.NoError(t, err)
	}
	log, err := engine.ContainerLogs(ctx, made.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	require.NoError(t, err)
	defer log.Close()
	var out bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &out, log)
	require.NoError(t, err)
	return out.String()
}
