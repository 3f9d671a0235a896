package podgc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection
func TestPlanPodGarbage(t *testing.T) {
	deleted := &metav1.Time{Time: controllertest.Noon}
	unscheduled, waiting := controllertest.PodOn("unscheduled", ""), controllertest.PodOn("waiting", "")
	unscheduled.DeletionTimestamp = deleted
	require.Equal(t, []podRemoval{{Pod: unscheduled, Reason: "the pod is terminating and was never scheduled"}},
		planUnscheduledGarbage([]*corev1.Pod{unscheduled, waiting}))

	running, terminating := controllertest.PodOn("running", "node-1"), controllertest.PodOn("terminating", "node-1")
	terminating.DeletionTimestamp = deleted
	both := []*corev1.Pod{running, terminating}
	require.Empty(t, planNodeGarbage("node-1", controllertest.ReadyNode("node-1"), both))
	removals := planNodeGarbage("node-1", nil, both)
	require.Len(t, removals, 2)
	require.Equal(t, "PodGC: node no longer exists", removals[0].Disruption)

	out := controllertest.ReadyNode("node-1")
	out.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}}
	require.Empty(t, planNodeGarbage("node-1", out, both), "out of service, but ready: the kubelet ends its pods")
	out.Status.Conditions[0].Status = corev1.ConditionUnknown
	removals = planNodeGarbage("node-1", out, both)
	require.Len(t, removals, 1)
	require.Equal(t, terminating, removals[0].Pod)
	require.Equal(t, "the pod is terminating, and node node-1 is not ready and has taint node.kubernetes.io/out-of-service",
		removals[0].Reason)
}

// Evicted pods go first, then the oldest; running ones are never counted.
func TestPlanEndedGarbage(t *testing.T) {
	ended := func(name string, age time.Duration, reason string) *corev1.Pod {
		pod := controllertest.PodOn(name, "node-1")
		pod.CreationTimestamp = metav1.NewTime(controllertest.Noon.Add(-age))
		pod.Status.Phase, pod.Status.Reason = corev1.PodFailed, reason
		return pod
	}
	pods := []*corev1.Pod{ended("young", time.Minute, ""), ended("old", time.Hour, ""),
		ended("evicted", time.Second, "Evicted"), controllertest.PodOn("running", "node-1")}
	require.Empty(t, planEndedGarbage(pods, 3))
	removals := planEndedGarbage(pods, 1)
	require.Len(t, removals, 2)
	require.Equal(t, "evicted", removals[0].Pod.Name)
	require.Equal(t, "old", removals[1].Pod.Name)
	require.Equal(t, "3 pods have ended, 1 are kept", removals[0].Reason)
}

// A node is deleted: after the quarantine its pods are marked and deleted, those of other nodes stay.
func TestPodsOfADeletedNodeGo(t *testing.T) {
	client, clock := controllertest.Start(t, []loop.Row{{Name: "pod-garbage-collector-controller", Workers: 1, New: New}},
		controllertest.ReadyNode("node-1"), controllertest.ReadyNode("node-2"), controllertest.PodOn("a", "node-1"), controllertest.PodOn("b", "node-2"))
	require.NoError(t, client.CoreV1().Nodes().Delete(t.Context(), "node-1", metav1.DeleteOptions{}))
	controllertest.Eventually(t, func() bool {
		clock.Step(time.Second)
		return controllertest.Gone(t, client, "a")
	}, "the pod of the deleted node goes")
	require.Greater(t, clock.Since(controllertest.Noon), nodeQuarantine)
	require.False(t, controllertest.Gone(t, client, "b"))
	marked := false
	for _, action := range client.Actions() {
		update, ok := action.(interface{ GetObject() runtime.Object })
		if !ok || action.GetVerb() != "update" {
			continue
		}
		if pod, ok := update.GetObject().(*corev1.Pod); ok {
			last := pod.Status.Conditions[len(pod.Status.Conditions)-1]
			require.Equal(t, corev1.PodFailed, pod.Status.Phase)
			require.Equal(t, corev1.DisruptionTarget, last.Type)
			require.Equal(t, "DeletionByPodGC", last.Reason)
			marked = true
		}
	}
	require.True(t, marked)
}
