package kubelet_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/cluster/clustertest"
)

// On a real API server a pod is bound, runs, answers, logs and is deleted within its grace.
func TestOnACluster(t *testing.T) {
	client, err := kubernetes.NewForConfig(clustertest.Start(t))
	require.NoError(t, err)
	pods := client.CoreV1().Pods("default")
	pod := bound("web", func(pod *corev1.Pod) {
		pod.UID, pod.Spec.NodeName = "", ""
		pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
	})
	require.Eventually(t, func() bool { // The default service account is made by a controller.
		_, err = pods.Create(t.Context(), pod, metav1.CreateOptions{})
		return err == nil
	}, patience, often, "%v", err)
	require.Eventually(t, func() bool {
		pod, err = pods.Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && ready(pod)
	}, patience, often)
	require.Equal(t, pod.Generation, pod.Status.ObservedGeneration)
	require.True(t, slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled
	}), "the scheduler's condition was lost")

	log, err := pods.GetLogs("web", &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(log), "nginx:1.27 starts, attempt 0")

	require.NoError(t, pods.Delete(t.Context(), "web", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		list, err := pods.List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0
	}, patience, often)
}
