package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/scheduler/framework"
)

// A pod that waits for another sleeps until one comes that it needs, or one goes that kept it away.
func TestAffinityHints(t *testing.T) {
	snapshot, p := framework.NewSnapshot(), framework.DefaultProfile()
	snapshot.SetNode(testNode("node-1", nodeResources("4", "8Gi"), nil))
	needy := testPod("needy", nil)
	needy.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: onHost("cache"),
	}}
	keptAway := lonely("kept-away")
	other, cache := testPod("other", nil), testPod("cache", nil)
	other.Labels, cache.Labels = map[string]string{"app": "other"}, map[string]string{"app": "cache"}

	for _, c := range []struct {
		waits, moved *corev1.Pod
		happened     framework.Change
		wakes        int
	}{
		{needy, other, framework.PodPlaced, 0},
		{needy, cache, framework.PodPlaced, 1},
		{needy, other, framework.PodPlaced | framework.PodRemoved, 1}, // its labels may have changed
		{keptAway, other, framework.PodRemoved, 0},
		{keptAway, testPod("web", nil), framework.PodRemoved, 1},
		{keptAway, testPod("web", nil), framework.PodPlaced, 0},
		{testPod("unwanted", nil), lonely("gone"), framework.PodRemoved, 1},
	} {
		q := newQueue(time.Second, time.Minute)
		q.add(p, c.waits, noon)
		q.park(q.pop(noon), []string{framework.InterPodAffinity}, snapshot, noon)
		woken := q.wake(framework.Event{Change: c.happened, Node: "node-1", Pod: c.moved}, snapshot, noon)
		require.Len(t, woken, c.wakes, "%s, %s", c.waits.Name, c.moved.Name)
	}
}
