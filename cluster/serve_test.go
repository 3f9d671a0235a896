//go:build unix

package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"minik.dev/cluster/network"
)

// tick is how often a condition is looked at.
const tick = 10 * time.Millisecond

// TestEachComponentAlone runs a cluster as one process for each component. Each is killed and started again, and ended
// and started again: the cluster goes on working, and no container of another one's is harmed, nor a kubelet's own.
func TestEachComponentAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	processes := map[string]*process{"apiserver": s.run(t, "apiserver")}
	s.listen = s.address(t) // where the others expect it when it comes back
	roles := []string{"controllers", "scheduler", "kubelet node-1", "kubelet node-2", "proxy"}
	for _, role := range roles {
		processes[role] = s.run(t, role)
	}
	client := s.client(t)
	deploy(t, client, "web", 4)
	before := containers(t, client)
	require.Len(t, before, 4)
	url := serviceURL(t, s, client, "web")
	answers(t, url)

	for i, role := range append([]string{"apiserver"}, roles...) {
		processes[role].kill(t)
		processes[role] = s.run(t, role)
		deploy(t, client, fmt.Sprintf("killed-%d", i), 2)
		answers(t, url)

		processes[role].end(t, os.Interrupt)
		processes[role] = s.run(t, role)
		deploy(t, client, fmt.Sprintf("ended-%d", i), 2)
		answers(t, url)
	}
	after := containers(t, client)
	for pod, id := range before {
		require.Equal(t, id, after[pod], "the container of %s was started again", pod)
	}
	for _, role := range append(roles, "apiserver") {
		processes[role].end(t, syscall.SIGTERM)
	}
	require.Empty(t, files(t, s.tmp), "temporary files are left")
}

// deploy makes a Deployment and returns when it is available.
func deploy(t *testing.T, client kubernetes.Interface, name string, replicas int32, change ...func(*corev1.PodSpec)) {
	t.Helper()
	labels := map[string]string{"app": name}
	spec := corev1.PodSpec{Containers: []corev1.Container{{
		Name: "main", Image: "nginx", Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
	}}}
	for _, c := range change {
		c(&spec)
	}
	_, err := client.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: labels, Ports: []corev1.ServicePort{{Port: 8080, TargetPort: intstr.FromInt32(8080)}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	available(t, client, name)
}

// available returns when all of the deployment's replicas are.
func available(t *testing.T, client kubernetes.Interface, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		d, err := client.AppsV1().Deployments("default").Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && d.Status.ObservedGeneration == d.Generation && d.Status.AvailableReplicas == *d.Spec.Replicas &&
			d.Status.UnavailableReplicas == 0
	}, patience, tick, "deployment %s is not available", name)
}

// containers are the IDs and restart counts of all pods' containers.
func containers(t *testing.T, client kubernetes.Interface) map[string]string {
	t.Helper()
	pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	out := map[string]string{}
	for _, pod := range pods.Items {
		status := pod.Status.ContainerStatuses[0]
		out[pod.Name] = fmt.Sprintf("%s, %d restarts", status.ContainerID, status.RestartCount)
	}
	return out
}

// serviceURL is where the service is reached on this machine.
func serviceURL(t *testing.T, s *site, client kubernetes.Interface, name string) string {
	t.Helper()
	service, err := client.CoreV1().Services("default").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	network, err := network.Load(filepath.Join(s.dir, "network.json"))
	require.NoError(t, err)
	defer func() { require.NoError(t, network.Close()) }()
	return "http://" + network.Address(service.Spec.ClusterIP, service.Spec.Ports[0].Port)
}

// answers returns when something answers at the URL.
func answers(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, response.Body)
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, patience, tick, "%s does not answer", url)
}

// files are the names of what lies in a directory.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
