package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"minik.dev/cluster"
)

// TestMinikOnKubeAPIServer has minik's controllers, scheduler, kubelet and proxy work at upstream's own kube-apiserver, each started as
// `minik serve COMPONENT --kubeconfig X` does: a Deployment becomes available, its logs are read, and its Service answers.
func TestMinikOnKubeAPIServer(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("kube-apiserver takes no endpoint in 127.0.0.0/8, and only root on Linux can have others without a container engine")
	}
	kubeconfig := kubeAPIServer(t)
	logs := map[string]*said{}
	dir := directory(t)
	for _, component := range []string{"controllers", "scheduler", "kubelet", "proxy"} {
		logs[component] = serve(t, component, cluster.Options{DataDir: dir, Runtime: "sim"},
			cluster.ServeOptions{Kubeconfig: kubeconfig, NodeName: "node-1"})
	}
	client := clientOf(t, kubeconfig)
	deploy(t, client, "web", 2)
	answers(t, client, "web")

	pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, pods.Items, 2)
	text, err := client.CoreV1().Pods("default").GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err, "kube-apiserver asks minik's kubelet for logs: %s", text)

	scale(t, client, "web", 1)
	require.NoError(t, client.AppsV1().Deployments("default").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(pods.Items) == 0
	}, patience, tick, "minik's garbage collector does not delete the pods")
	for component, log := range logs {
		require.Equal(t, 1, strings.Count(log.String(), "does not serve Controls"), "%s says:\n%s", component, log)
		require.NotContains(t, log.String(), "level=ERROR", component)
	}
}

// serviceRange is that of kube-apiserver: one that minik does not choose by itself, so that clusters beside the test are not in its way.
const serviceRange = "10.112.0.0/16"

// kubeAPIServer starts kube-apiserver on minik's etcd, and returns the administrator's kubeconfig once it is ready.
func kubeAPIServer(t *testing.T) string {
	t.Helper()
	dir := directory(t)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	store := start(t, "etcd", filepath.Join(dir, "etcd"))
	require.Eventually(t, func() bool { return strings.Contains(store.said(), "\n") }, patience, tick, "etcd does not start")
	endpoint := strings.TrimSpace(store.said())

	pki := newAuthority(t, dir)
	port := freePort(t)
	server := start(t, "kube-apiserver", "--etcd-servers="+endpoint, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", "--service-cluster-ip-range="+serviceRange,
		"--authorization-mode=Node,RBAC", "--client-ca-file="+pki.file("ca.crt"),
		"--tls-cert-file="+pki.file("server.crt"), "--tls-private-key-file="+pki.file("server.key"),
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-client-certificate="+pki.file("kubelet-client.crt"), "--kubelet-client-key="+pki.file("kubelet-client.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-signing-key-file="+pki.file("server.key"),
		"--service-account-key-file="+pki.file("server.key"))
	kubeconfig := filepath.Join(dir, "kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["real"] = &clientcmdapi.Cluster{Server: fmt.Sprintf("https://127.0.0.1:%d", port), CertificateAuthority: pki.file("ca.crt")}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{ClientCertificate: pki.file("admin.crt"), ClientKey: pki.file("admin.key")}
	config.Contexts["real"] = &clientcmdapi.Context{Cluster: "real", AuthInfo: "admin"}
	config.CurrentContext = "real"
	require.NoError(t, clientcmd.WriteToFile(*config, kubeconfig))
	client := clientOf(t, kubeconfig)
	if !eventually(func() bool {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(t.Context())
		return err == nil
	}) {
		t.Fatal(server.tail())
	}
	return kubeconfig
}

// eventually is whether the condition becomes true.
func eventually(condition func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(tick) {
		if condition() {
			return true
		}
	}
	return false
}

// answers makes a Service for the Deployment and returns when it answers at its own address.
func answers(t *testing.T, client kubernetes.Interface, name string) {
	t.Helper()
	service, err := client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"app": name},
			Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	visitor := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	require.Eventually(t, func() bool {
		response, err := visitor.Get("http://" + service.Spec.ClusterIP)
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, response.Body)
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, patience, tick, "Service %s does not answer at %s", name, service.Spec.ClusterIP)
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// said is what a component says, which several goroutines write.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
