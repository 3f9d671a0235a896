package kubelet_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/api"
	"minik.dev/cluster/clustertest"
)

// A held node starts nothing but what is let through, and lives on: its Lease is renewed, it stays Ready, and what runs is
// neither stopped nor lost.
func TestHeldNode(t *testing.T) {
	config := clustertest.Start(t)
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	controls, err := api.NewClient(config)
	require.NoError(t, err)
	get := func() *api.Control {
		var c api.Control
		require.NoError(t, controls.Get().Resource("controls").Name("kubelet.node-1").Do(t.Context()).Into(&c))
		return &c
	}
	create := func(name string) {
		pod := bound(name, func(pod *corev1.Pod) { pod.UID, pod.Spec.NodeName = "", "" })
		require.Eventually(t, func() bool { // The default service account is made by a controller.
			_, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
			return err == nil
		}, patience, often)
	}
	pod := func(name string) *corev1.Pod {
		pod, err := client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		return pod
	}
	renewed := func() metav1.MicroTime {
		lease, err := client.CoordinationV1().Leases("kube-node-lease").Get(t.Context(), "node-1", metav1.GetOptions{})
		require.NoError(t, err)
		return *lease.Spec.RenewTime
	}
	create("before")
	require.Eventually(t, func() bool { return ready(pod("before")) }, patience, often)

	// 1. Held, it leaves the next pod alone and says what it would do.
	hold := &api.Control{ObjectMeta: metav1.ObjectMeta{Name: "kubelet.node-1"}, Spec: api.ControlSpec{Held: true}}
	require.NoError(t, controls.Post().Resource("controls").Body(hold).Do(t.Context()).Error())
	require.Eventually(t, func() bool { return get().Status.Holding }, patience, often)
	create("after")
	require.Eventually(t, func() bool { return get().Status.Waiting == 1 }, patience, often)
	require.Equal(t, "pods/after in default → MountVolumes: pod has 0 volumes to mount", get().Status.Next)

	// 2. It lives.
	last := renewed()
	require.Eventually(t, func() bool { now := renewed(); return last.Before(&now) }, patience, often)
	node, err := client.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
	require.NoError(t, err)
	for _, c := range node.Status.Conditions {
		require.Equal(t, c.Type == corev1.NodeReady, c.Status == corev1.ConditionTrue, "%s is %s", c.Type, c.Status)
	}
	require.True(t, ready(pod("before")))
	require.Equal(t, corev1.PodPending, pod("after").Status.Phase)

	// 3. A step is one action.
	c := get()
	c.Spec.Steps = 1
	require.NoError(t, controls.Put().Resource("controls").Name(c.Name).Body(c).Do(t.Context()).Error())
	require.Eventually(t, func() bool { return get().Status.Decided == 1 }, patience, often)
	require.Equal(t, "pods/after in default → MountVolumes: pod has 0 volumes to mount", get().Status.Decision)
	require.Eventually(t, func() bool {
		return get().Status.Next == "pods/after in default → StartSandbox: pod has no sandbox"
	}, patience, often)

	// 4. Without the control it goes on.
	require.NoError(t, controls.Delete().Resource("controls").Name("kubelet.node-1").Do(t.Context()).Error())
	require.Eventually(t, func() bool { return ready(pod("after")) }, patience, often)
}
