package controllers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clocktesting "k8s.io/utils/clock/testing"
)

func readyNode(name string) *corev1.Node {
	n := node(name)
	n.UID = types.UID("uid-" + name)
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return n
}

func leaseOf(node string, seconds int32) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: node, Namespace: corev1.NamespaceNodeLease},
		Spec:       coordinationv1.LeaseSpec{LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: noon}},
	}
}

func podOn(name, node string, tolerations ...corev1.Toleration) *corev1.Pod {
	pod := webPod(0)
	pod.Name, pod.UID, pod.Spec.NodeName, pod.Spec.Tolerations = name, types.UID("uid-"+name), node, tolerations
	return pod
}

// stepping waits as eventually does, while the clock goes on: a retry after a conflict waits for it.
func stepping(t *testing.T, clock *clocktesting.FakeClock, condition func() bool, what string) {
	t.Helper()
	eventually(t, func() bool {
		if condition() {
			return true
		}
		clock.Step(10 * time.Millisecond)
		return false
	}, what)
}

func gone(t *testing.T, client *fake.Clientset, pod string) bool {
	_, err := client.CoreV1().Pods("shop").Get(t.Context(), pod, metav1.GetOptions{})
	return apierrors.IsNotFound(err)
}

// Node-1 falls silent, and the whole story follows: conditions, event, taints, its pods not ready, evicted each after the
// time that it tolerates; a pod that tolerates for ever stays.
func TestNodeLifecycleFromSilenceToEviction(t *testing.T) {
	seconds := int64(300)
	patient := corev1.Toleration{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists,
		TolerationSeconds: &seconds}
	daemon := corev1.Toleration{Operator: corev1.TolerationOpExists}
	client, clock := startFake(t, []row{{name: "node-lifecycle-controller", workers: 2, new: newNodeLifecycleController}},
		readyNode("node-1"), readyNode("node-2"), leaseOf("node-1", 8), leaseOf("node-2", 7200),
		podOn("hasty", "node-1"), podOn("patient", "node-1", patient), podOn("daemon", "node-1", daemon),
		podOn("elsewhere", "node-2"))

	get := func(name string) *corev1.Node {
		n, err := client.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		return n
	}
	eventually(t, func() bool {
		if nodeReady(get("node-1")) == corev1.ConditionUnknown {
			return true
		}
		clock.Step(time.Second)
		return false
	}, "node-1 turns Unknown")
	require.Greater(t, clock.Since(noon), 8*time.Second, "not before its Lease has run out")
	ready := nodeCondition(get("node-1"), corev1.NodeReady)
	require.Equal(t, "NodeStatusUnknown", ready.Reason)
	require.Equal(t, "Kubelet stopped posting node status.", ready.Message)

	stepping(t, clock, func() bool { return len(get("node-1").Spec.Taints) == 2 }, "NoSchedule and NoExecute")
	stepping(t, clock, func() bool { return gone(t, client, "hasty") }, "the pod without a toleration is evicted")
	tainted := clock.Now()
	for _, name := range []string{"patient", "daemon"} {
		stepping(t, clock, func() bool {
			pod, err := client.CoreV1().Pods("shop").Get(t.Context(), name, metav1.GetOptions{})
			require.NoError(t, err)
			return !podIsReady(pod)
		}, name+" is not ready any more")
	}
	eventually(t, func() bool {
		if gone(t, client, "patient") {
			return true
		}
		clock.Step(10 * time.Second)
		return false
	}, "the pod that tolerates for 300 s is evicted")
	require.Greater(t, clock.Since(tainted), 280*time.Second)
	require.False(t, gone(t, client, "daemon"), "it tolerates for ever")
	require.False(t, gone(t, client, "elsewhere"), "its node is well")
	require.Equal(t, corev1.ConditionTrue, nodeReady(get("node-2")))

	reasons := map[string]int{}
	eventually(t, func() bool {
		clear(reasons)
		for _, action := range client.Actions() {
			if create, ok := action.(interface{ GetObject() runtime.Object }); ok && action.GetVerb() == "create" {
				if event, ok := create.GetObject().(*corev1.Event); ok {
					reasons[event.Reason+" "+event.InvolvedObject.Kind]++
				}
			}
		}
		return reasons["NodeNotReady Node"] == 1 && reasons["TaintManagerEviction Pod"] == 2
	}, "events tell of it")

	// Power is back: the kubelet says Ready, and the taints go.
	back := get("node-1")
	nodeCondition(back, corev1.NodeReady).Status = corev1.ConditionTrue
	nodeCondition(back, corev1.NodeReady).LastHeartbeatTime = metav1.NewTime(noon.Add(time.Hour))
	_, err := client.CoreV1().Nodes().UpdateStatus(t.Context(), back, metav1.UpdateOptions{})
	require.NoError(t, err)
	stepping(t, clock, func() bool { return len(get("node-1").Spec.Taints) == 0 }, "the taints are gone")
}

// When every node is silent nobody is driven away.
func TestNodeLifecycleWithAllNodesSilent(t *testing.T) {
	client, clock := startFake(t, []row{{name: "node-lifecycle-controller", workers: 2, new: newNodeLifecycleController}},
		readyNode("node-1"), leaseOf("node-1", 8), podOn("hasty", "node-1"))
	eventually(t, func() bool {
		clock.Step(time.Second)
		n, err := client.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
		require.NoError(t, err)
		return len(n.Spec.Taints) == 1 && n.Spec.Taints[0].Effect == corev1.TaintEffectNoSchedule
	}, "only NoSchedule")
	require.False(t, gone(t, client, "hasty"))
}

// When thousands of nodes come at once the zones are not looked at for each of them, and what came meanwhile is looked at later.
func TestZonesOfManyNodesKeepAPause(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	c := &nodeLifecycleController{clock: clock, judged: noon, among: 5000}
	clock.Step(100 * time.Millisecond)
	require.Equal(t, requeueAfter(150*time.Millisecond), c.reconcileZones(t.Context()))
	require.Zero(t, zonePause(99), "a small cluster waits for nothing")
}
