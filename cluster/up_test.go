//go:build unix

package cluster

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/api"
	"minik.dev/cluster/network"
)

// Ctrl-C leaves nothing behind but the data, and the next start finds all of that: containers come back with one more
// restart. After kill -9 they are found as they were.
func TestEndAndStartAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.routes = true                                          // where this user may
	s.dir = filepath.Join(s.dir, strings.Repeat("long", 25)) // too long for etcd's sockets: they lie elsewhere
	up := s.run(t, "up")
	deploy(t, s.client(t), "web", 4)
	address := s.address(t)
	restarts(t, s.client(t), 0)

	up.end(t, os.Interrupt)
	nothingLeft(t, s, address)
	up = s.run(t, "up")
	restarts(t, s.client(t), 1)
	available(t, s.client(t), "web")
	_, err := s.client(t).CoreV1().ConfigMaps("default").Create(t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "acknowledged"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	before := containers(t, s.client(t))

	up.kill(t)
	up = s.run(t, "up")
	client := s.client(t)
	_, err = client.CoreV1().ConfigMaps("default").Get(t.Context(), "acknowledged", metav1.GetOptions{})
	require.NoError(t, err)
	answers(t, serviceURL(t, s, client, "web"))
	available(t, client, "web")
	require.Equal(t, before, containers(t, client), "adopted, not started again")

	address = s.address(t)
	up.end(t, syscall.SIGTERM)
	nothingLeft(t, s, address)
}

// Ctrl-C at any moment of the start is as good as later.
func TestEndDuringStart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, after := range []time.Duration{0, 20, 50, 100, 150, 200, 300, 500} {
		up := s.start(t, "up")
		<-up.begun
		select {
		case <-time.After(after * time.Millisecond):
		case <-up.ended:
			require.FailNow(t, "it ended by itself", up.said(t))
		}
		up.end(t, os.Interrupt)
		require.Empty(t, files(t, s.tmp))
	}
	up := s.run(t, "up")
	deploy(t, s.client(t), "web", 1)
	up.end(t, os.Interrupt)
}

// A node that was stopped stays so when the cluster starts again, which does not wait for it; its power comes back.
func TestStoppedNodeStaysStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	up := s.run(t, "up")
	client := s.client(t)
	power(t, s, "node-2", true)
	nodeReady(t, client, "node-2", false)
	deploy(t, client, "web", 3)

	up.end(t, os.Interrupt)
	up = s.run(t, "up")
	client = s.client(t)
	nodeReady(t, client, "node-2", false)
	available(t, client, "web")
	power(t, s, "node-2", false)
	nodeReady(t, client, "node-2", true)
	up.end(t, os.Interrupt)
}

// Pods of a node that lost its power are replaced on others after the seconds that they tolerate it.
func TestPodsOfAStoppedNodeAreReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	up := s.run(t, "up")
	client := s.client(t)
	deploy(t, client, "web", 4, func(spec *corev1.PodSpec) {
		for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
			second := int64(1)
			spec.Tolerations = append(spec.Tolerations, corev1.Toleration{
				Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &second,
			})
		}
	})
	power(t, s, "node-2", true)
	nodeReady(t, client, "node-2", false)
	require.Eventually(t, func() bool {
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		running := 0
		for _, pod := range pods.Items {
			if pod.Spec.NodeName == "node-1" && pod.Status.Phase == corev1.PodRunning {
				running++
			}
		}
		return err == nil && running == 4
	}, patience, tick)
	available(t, client, "web")
	power(t, s, "node-2", false)
	nodeReady(t, client, "node-2", true)
	up.end(t, os.Interrupt)
}

// nothingLeft checks that a cluster that ended has no listener, no file but its data, and no route.
func nothingLeft(t *testing.T, s *site, address string) {
	t.Helper()
	_, err := net.DialTimeout("tcp", address, time.Second)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Empty(t, files(t, s.tmp), "temporary files are left")
	require.NotContains(t, files(t, s.dir), "state.json")
	left, err := network.RoutesLeft(filepath.Join(s.dir, "network.json"))
	require.NoError(t, err)
	require.Empty(t, left, "routes are left")
}

// restarts returns when every container runs and was restarted that often.
func restarts(t *testing.T, client kubernetes.Interface, times int32) {
	t.Helper()
	require.Eventually(t, func() bool {
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		for _, pod := range pods.Items {
			for _, status := range pod.Status.ContainerStatuses {
				if status.State.Running == nil || status.RestartCount != times {
					return false
				}
			}
		}
		return err == nil && len(pods.Items) > 0
	}, patience, tick, "not all containers run with %d restarts", times)
}

// power stops or starts a node, as `minik node` does.
func power(t *testing.T, s *site, node string, stopped bool) {
	t.Helper()
	client, err := api.NewClient(s.config(t))
	require.NoError(t, err)
	control := &api.Control{ObjectMeta: metav1.ObjectMeta{Name: api.ControlName("kubelet/" + node)}}
	if err := client.Get().Resource("controls").Name(control.Name).Do(t.Context()).Into(control); err != nil {
		control.Spec.Stopped = stopped
		require.NoError(t, client.Post().Resource("controls").Body(control).Do(t.Context()).Error())
		return
	}
	control.Spec.Stopped = stopped
	require.NoError(t, client.Put().Resource("controls").Name(control.Name).Body(control).Do(t.Context()).Error())
}

// nodeReady returns when the node is ready, or is not.
func nodeReady(t *testing.T, client kubernetes.Interface, name string, ready bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		node, err := client.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && isReady(node) == ready
	}, patience, tick, "%s should be ready: %t", name, ready)
}
