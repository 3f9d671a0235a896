package framework

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// The pods of a StatefulSet differ in their labels, and share one shape all the same.
func TestPodsThatDifferInALabelShareAShape(t *testing.T) {
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
	require.Len(t, snapshot.shapes.byShape, 2, "the first pod of all, and those that the placed ones keep away")
	require.Len(t, snapshot.terms.byName, 1)
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
