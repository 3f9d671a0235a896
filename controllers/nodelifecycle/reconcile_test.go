package nodelifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
	"minik.dev/controllers/nodestate"
	"minik.dev/controllers/podstate"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Node-1 falls silent, and the whole story follows: conditions, event, taints, its pods not ready, evicted each after the
// time that it tolerates; a pod that tolerates for ever stays.
func TestNodeLifecycleFromSilenceToEviction(t *testing.T) {
	seconds := int64(300)
	patient := corev1.Toleration{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists,
		TolerationSeconds: &seconds}
	daemon := corev1.Toleration{Operator: corev1.TolerationOpExists}
	client, clock := controllertest.Start(t, []loop.Row{{Name: "node-lifecycle-controller", Workers: 2, New: New}},
		controllertest.ReadyNode("node-1"), controllertest.ReadyNode("node-2"), controllertest.Lease("node-1", 8), controllertest.Lease("node-2", 7200),
		controllertest.PodOn("hasty", "node-1"), controllertest.PodOn("patient", "node-1", patient), controllertest.PodOn("daemon", "node-1", daemon),
		controllertest.PodOn("elsewhere", "node-2"))

	get := func(name string) *corev1.Node {
		n, err := client.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		return n
	}
	controllertest.Eventually(t, func() bool {
		if nodestate.Ready(get("node-1")) == corev1.ConditionUnknown {
			return true
		}
		clock.Step(time.Second)
		return false
	}, "node-1 turns Unknown")
	require.Greater(t, clock.Since(controllertest.Noon), 8*time.Second, "not before its Lease has run out")
	ready := nodestate.Condition(get("node-1"), corev1.NodeReady)
	require.Equal(t, "NodeStatusUnknown", ready.Reason)
	require.Equal(t, "Kubelet stopped posting node status.", ready.Message)

	controllertest.Stepping(t, clock, func() bool { return len(get("node-1").Spec.Taints) == 2 }, "NoSchedule and NoExecute")
	controllertest.Stepping(t, clock, func() bool { return controllertest.Gone(t, client, "hasty") }, "the pod without a toleration is evicted")
	tainted := clock.Now()
	for _, name := range []string{"patient", "daemon"} {
		controllertest.Stepping(t, clock, func() bool {
			pod, err := client.CoreV1().Pods("shop").Get(t.Context(), name, metav1.GetOptions{})
			require.NoError(t, err)
			return !podstate.Ready(pod)
		}, name+" is not ready any more")
	}
	controllertest.Eventually(t, func() bool {
		if controllertest.Gone(t, client, "patient") {
			return true
		}
		clock.Step(10 * time.Second)
		return false
	}, "the pod that tolerates for 300 s is evicted")
	require.Greater(t, clock.Since(tainted), 280*time.Second)
	require.False(t, controllertest.Gone(t, client, "daemon"), "it tolerates for ever")
	require.False(t, controllertest.Gone(t, client, "elsewhere"), "its node is well")
	require.Equal(t, corev1.ConditionTrue, nodestate.Ready(get("node-2")))

	reasons := map[string]int{}
	controllertest.Eventually(t, func() bool {
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
	nodestate.Condition(back, corev1.NodeReady).Status = corev1.ConditionTrue
	nodestate.Condition(back, corev1.NodeReady).LastHeartbeatTime = metav1.NewTime(controllertest.Noon.Add(time.Hour))
	_, err := client.CoreV1().Nodes().UpdateStatus(t.Context(), back, metav1.UpdateOptions{})
	require.NoError(t, err)
	controllertest.Stepping(t, clock, func() bool { return len(get("node-1").Spec.Taints) == 0 }, "the taints are gone")
}

// When every node is silent nobody is driven away.
func TestNodeLifecycleWithAllNodesSilent(t *testing.T) {
	client, clock := controllertest.Start(t, []loop.Row{{Name: "node-lifecycle-controller", Workers: 2, New: New}},
		controllertest.ReadyNode("node-1"), controllertest.Lease("node-1", 8), controllertest.PodOn("hasty", "node-1"))
	controllertest.Eventually(t, func() bool {
		clock.Step(time.Second)
		n, err := client.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
		require.NoError(t, err)
		return len(n.Spec.Taints) == 1 && n.Spec.Taints[0].Effect == corev1.TaintEffectNoSchedule
	}, "only NoSchedule")
	require.False(t, controllertest.Gone(t, client, "hasty"))
}

// When thousands of nodes come at once the zones are not looked at for each of them, and what came meanwhile is looked at later.
func TestZonesOfManyNodesKeepAPause(t *testing.T) {
	clock := clocktesting.NewFakeClock(controllertest.Noon)
	c := &nodeLifecycleController{clock: clock, judged: controllertest.Noon, judgedNodes: 5000}
	clock.Step(100 * time.Millisecond)
	require.Equal(t, loop.RequeueAfter(150*time.Millisecond), c.reconcileZones(t.Context()))
	require.Zero(t, zonePause(99), "a small cluster waits for nothing")
}
