package scheduler_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/cluster/clustertest"
	"minik.dev/scheduler"
)

// In a whole cluster a pod is bound with the record of its decision, and one that asks for too much says so.
func TestSchedulingInACluster(t *testing.T) {
	client := kubernetes.NewForConfigOrDie(clustertest.Start(t))
	pods := client.CoreV1().Pods("default")
	create := func(name, cpu string) {
		_, err := pods.Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "c", Image: "example.com/c", Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
				},
			}}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	get := func(name string) *corev1.Pod {
		pod, err := pods.Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		return pod
	}
	create("fits", "100m")
	create("huge", "1000")
	require.Eventually(t, func() bool { return get("fits").Spec.NodeName != "" }, 20*time.Second, 10*time.Millisecond)
	var record scheduler.Record
	require.NoError(t, json.Unmarshal([]byte(get("fits").Annotations[scheduler.DecisionAnnotation]), &record))
	require.Equal(t, get("fits").Spec.NodeName, record.Best[0].Node)
	require.NotZero(t, record.Nodes)
	require.Eventually(t, func() bool {
		for _, c := range get("huge").Status.Conditions {
			if c.Type == corev1.PodScheduled {
				return c.Reason == corev1.PodReasonUnschedulable &&
					c.Message == "0/1 nodes are available: 1 Insufficient cpu. "+
						"preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
			}
		}
		return false
	}, 20*time.Second, 10*time.Millisecond)
}
