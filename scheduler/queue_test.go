package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/scheduler/framework"
)

func queued(name string, priority int32) *corev1.Pod {
	pod := testPod(name, nil)
	pod.Spec.Priority = &priority
	return pod
}

func popName(q *queue, now time.Time) string {
	if item := q.pop(now); item != nil {
		return item.pod.Name
	}
	return ""
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestQueueGivesByPriorityThenByAge(t *testing.T) {
	q, p := newQueue(time.Second, 10*time.Second), framework.DefaultProfile()
	q.add(p, queued("late", 0), noon.Add(time.Second))
	q.add(p, queued("early", 0), noon)
	q.add(p, queued("urgent", 5), noon.Add(2*time.Second))
	require.Equal(t, "urgent", popName(q, noon))
	require.Equal(t, "early", popName(q, noon))
	require.Equal(t, "late", popName(q, noon))
	require.Empty(t, popName(q, noon))
}

// The back-off doubles from 1 s to 10 s with each attempt.
func TestQueueFailedPodsRest(t *testing.T) {
	q, p := newQueue(time.Second, 10*time.Second), framework.DefaultProfile()
	q.add(p, queued("a", 0), noon)
	now := noon
	for _, rest := range []time.Duration{1, 2, 4, 8, 10, 10} {
		item := q.pop(now)
		require.NotNil(t, item)
		q.retry(item, now)
		next, ok := q.next()
		require.True(t, ok)
		require.Equal(t, now.Add(rest*time.Second), next)
		require.Nil(t, q.pop(next.Add(-time.Nanosecond)))
		now = next
	}
}

// A parked pod sleeps until something happens that its rejecting plugin listens to. Then it waits out its back-off
// only behind other pods.
func TestQueueWakesForWhatHelps(t *testing.T) {
	q, p, s := newQueue(time.Second, 10*time.Second), framework.DefaultProfile(), framework.NewSnapshot()
	s.SetNode(testNode("node", nodeResources("1", "1Gi"), nil)) // by now
	q.add(p, queued("full", 0), noon)
	q.add(p, queued("tainted", 0), noon.Add(1))
	q.park(q.pop(noon), []string{framework.NodeResourcesFit}, s, noon)
	q.park(q.pop(noon), []string{framework.TaintToleration}, s, noon)
	require.Empty(t, q.wake(framework.Event{Change: framework.PodPlaced | framework.NodeLabels, Node: "node"}, s, noon))
	require.Nil(t, q.pop(noon.Add(time.Hour)))

	require.Len(t, q.wake(framework.Event{Change: framework.PodRemoved, Node: "node"}, s, noon), 1)
	q.add(p, queued("fresh", -5), noon)
	require.Equal(t, "fresh", popName(q, noon), "active pods go before those that back off")
	require.Equal(t, "full", popName(q, noon), "there is nothing else to do")
	require.Len(t, q.wake(framework.Event{Change: framework.NodeTaints, Node: "node"}, s, noon), 1)
	q.add(p, queued("fresh", -5), noon)
	require.Equal(t, "tainted", popName(q, noon.Add(2*time.Second)), "rested, so it goes by priority")
}

func TestQueueFlushesAfterFiveMinutes(t *testing.T) {
	q, p := newQueue(time.Second, 10*time.Second), framework.DefaultProfile()
	q.add(p, queued("a", 0), noon)
	q.park(q.pop(noon), []string{framework.NodeAffinity}, framework.NewSnapshot(), noon)
	q.flush(noon.Add(parkedAtMost - 1))
	require.Nil(t, q.pop(noon.Add(parkedAtMost)))
	q.flush(noon.Add(parkedAtMost))
	require.Equal(t, "a", popName(q, noon.Add(parkedAtMost)))
}

// A pod that is changed so that it asks for something else is tried again; one whose status changed is not.
func TestQueueTriesAChangedPodAgain(t *testing.T) {
	q, p := newQueue(time.Second, 10*time.Second), framework.DefaultProfile()
	pod := queued("a", 0)
	q.add(p, pod, noon)
	q.park(q.pop(noon), []string{framework.TaintToleration}, framework.NewSnapshot(), noon)
	reported := pod.DeepCopy()
	reported.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse}}
	q.add(p, reported, noon)
	require.Nil(t, q.pop(noon))
	tolerant := reported.DeepCopy()
	tolerant.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	q.add(p, tolerant, noon)
	require.Same(t, tolerant, q.pop(noon).pod)
	q.remove(pod.UID)
	require.Empty(t, q.pods)
}

// A change to a node that still rejects the pod does not wake it.
func TestQueueAsksTheNodeThatChanged(t *testing.T) {
	snapshot, p := framework.NewSnapshot(), framework.DefaultProfile()
	snapshot.SetNode(testNode("small", nodeResources("1", "1Gi"), nil))
	snapshot.SetNode(testNode("large", nodeResources("8", "8Gi"), nil))
	q := newQueue(time.Second, 10*time.Second)
	pod := testPod("a", resources("2", "1Gi"))
	q.add(p, pod, noon)
	q.park(q.pop(noon), []string{framework.NodeResourcesFit}, snapshot, noon)
	require.Empty(t, q.wake(framework.Event{Change: framework.NodeAllocatable, Node: "small"}, snapshot, noon))
	require.Len(t, q.wake(framework.Event{Change: framework.NodeAllocatable, Node: "large"}, snapshot, noon), 1)
}
