package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func onHost(app string) []corev1.PodAffinityTerm {
	return []corev1.PodAffinityTerm{{
		TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
	}}
}

// lonely is a pod that shares no node with its like.
func lonely(name string) *corev1.Pod {
	pod := testPod(name, resources("100m", "100Mi"))
	pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: onHost("web"),
	}}
	return pod
}

// The pods of a StatefulSet differ in their labels, and share one table all the same.
func TestPodsThatDifferInALabelShareATable(t *testing.T) {
	snapshot, profile := NewSnapshot(), DefaultProfile()
	for i := range 10 {
		snapshot.SetNode(testNode(fmt.Sprintf("n%d", i), nodeResources("4", "4Gi"), nil))
	}
	for i := range 5 {
		pod := lonely(fmt.Sprintf("web-%d", i))
		pod.Labels["statefulset.kubernetes.io/pod-name"] = pod.Name
		d := Schedule(profile, snapshot, pod)
		require.Equal(t, 10-i, d.Feasible)
		place(snapshot, pod, d.Node)
	}
	require.Len(t, snapshot.tables.byShape, 2, "the first pod of all, and those that the placed ones keep away")
	require.Len(t, snapshot.terms.byName, 1)
}

// A pod that waits for another sleeps until one comes that it needs, or one goes that kept it away.
func TestAffinityHints(t *testing.T) {
	snapshot, p := NewSnapshot(), DefaultProfile()
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
		happened     Change
		wakes        int
	}{
		{needy, other, podPlaced, 0},
		{needy, cache, podPlaced, 1},
		{needy, other, podPlaced | podRemoved, 1}, // its labels may have changed
		{keptAway, other, podRemoved, 0},
		{keptAway, testPod("web", nil), podRemoved, 1},
		{keptAway, testPod("web", nil), podPlaced, 0},
		{testPod("unwanted", nil), lonely("gone"), podRemoved, 1},
	} {
		q := newQueue(time.Second, time.Minute)
		q.add(p, c.waits, noon)
		q.park(q.pop(noon), []string{InterPodAffinity}, snapshot, noon)
		require.Len(t, q.wake(event{c.happened, "node-1", c.moved}, snapshot, noon), c.wakes, "%s, %s", c.waits.Name, c.moved.Name)
	}
}

// Upstream's API server writes the values of matchLabelKeys into the selector; the pod's labels may change after that.
func TestLabelKeysThatAreWrittenAlready(t *testing.T) {
	pod := lonely("web")
	pod.Labels["version"] = "2"
	w := writtenTerms(pod)[0]
	w.MatchLabelKeys = []string{"version"}
	require.Equal(t, "app=web,version in (2)", newTerm(w, pod, "").selector.String())
	w.LabelSelector.MatchLabels["version"] = "1"
	require.Equal(t, "app=web,version=1", newTerm(w, pod, "").selector.String())
}
