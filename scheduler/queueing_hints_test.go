package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The clock of these tests stands still, so that no flush comes: only what happens can wake a pod.

func (f *fixture) unschedulable(pod string) func() bool {
	return func() bool { return scheduledCondition(f.pod(pod)).Reason == corev1.PodReasonUnschedulable }
}

func (f *fixture) changeNode(name string, change func(*corev1.Node)) {
	node, err := f.client.CoreV1().Nodes().Get(f.Context(), name, metav1.GetOptions{})
	require.NoError(f, err)
	change(node)
	_, err = f.client.CoreV1().Nodes().Update(f.Context(), node, metav1.UpdateOptions{})
	require.NoError(f, err)
	f.eventually(func() bool {
		f.scheduler.mu.Lock()
		defer f.scheduler.mu.Unlock()
		n := f.scheduler.snapshot.existing(name)
		return n != nil && nodeChange(n.Node, node) == 0
	})
}

func (f *fixture) deletePod(name string) {
	require.NoError(f, f.client.CoreV1().Pods("default").Delete(f.Context(), name, metav1.DeleteOptions{}))
}

// A node that rejected the pod for one reason rejects it for another after a change: from then on the pod waits for that one.
func TestAPodWaitsForWhatRejectsItNow(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("4", "4Gi"), nil))
	f.create(testPod("filler", resources("3", "1Gi")))
	f.eventually(func() bool { return f.pod("filler").Spec.NodeName == "node-1" })
	victim := testPod("victim", resources("3", "1Gi"))
	victim.Spec.NodeSelector = map[string]string{"x": "y"}
	f.create(victim)
	f.eventually(f.unschedulable("victim"))
	f.changeNode("node-1", func(n *corev1.Node) { n.Labels["x"] = "y" })
	f.deletePod("filler")
	f.eventually(func() bool { return f.pod("victim").Spec.NodeName == "node-1" })
}

// A pod that came before all nodes waits for the first of them, and then for what is wrong with it.
func TestAPodThatFoundNoNodesWaitsForWhatRejectsItNow(t *testing.T) {
	f := start(t)
	f.create(testPod("web", resources("1", "1Gi")))
	f.eventually(f.unschedulable("web"))
	node := testNode("node-1", nodeResources("4", "4Gi"), nil)
	node.Spec.Taints = []corev1.Taint{{Key: "maintenance", Effect: corev1.TaintEffectNoSchedule}}
	f.addNode(node)
	f.changeNode("node-1", func(n *corev1.Node) { n.Spec.Taints = nil })
	f.eventually(func() bool { return f.pod("web").Spec.NodeName == "node-1" })
}
