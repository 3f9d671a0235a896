package clustertest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/cluster/clustertest"
	"minik.dev/kubelet/docker/dockertest"
)

// A test that asks for Docker gets real containers, on nodes that say so.
func TestDocker(t *testing.T) {
	dockertest.Engine(t)
	image := dockertest.Busybox(t)
	client, err := kubernetes.NewForConfig(clustertest.Start(t, clustertest.Docker()))
	require.NoError(t, err)
	node, err := client.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
	require.NoError(t, err)
	require.Contains(t, node.Status.NodeInfo.ContainerRuntimeVersion, "docker://")
	_, err = client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a"},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
			Name: "main", Image: image, Command: []string{"sh", "-c", "echo $((6*7))"},
		}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		pod, err := client.CoreV1().Pods("default").Get(t.Context(), "a", metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodSucceeded
	}, patience, 10*time.Millisecond)
	log, err := client.CoreV1().Pods("default").GetLogs("a", &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	require.Equal(t, "42\n", string(log))
}
