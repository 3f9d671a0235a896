package framework

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What no decision reads changes nothing: a heartbeat, a pod's progress.
func TestSnapshotPassesOverWhatDoesNotMatter(t *testing.T) {
	s := NewSnapshot()
	node := testNode("node-1", nodeResources("4", "8Gi"), nil)
	require.Equal(t, NodeAdded, s.SetNode(node))
	pod := testPod("web", resources("1", "1Gi"))
	pod.Spec.NodeName = "node-1"
	require.Equal(t, PodPlaced, s.AddPod(pod))
	clock := s.clock

	beat := node.DeepCopy()
	beat.ResourceVersion = "7"
	beat.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	require.Zero(t, s.SetNode(beat))
	running := pod.DeepCopy()
	running.ResourceVersion = "9"
	running.Status.Phase = corev1.PodRunning
	require.Zero(t, s.AddPod(running))
	require.Equal(t, clock, s.clock)
	require.Equal(t, uint64(7), s.NodesRevision)
	require.Equal(t, uint64(9), s.PodsRevision)
}

func TestSnapshotNamesWhatChanged(t *testing.T) {
	s := NewSnapshot()
	node := testNode("node-1", nodeResources("4", "8Gi"), nil)
	s.SetNode(node)
	changed := node.DeepCopy()
	changed.Spec.Unschedulable = true
	changed.Labels["disk"] = "ssd"
	require.Equal(t, NodeTaints|NodeLabels, s.SetNode(changed))
	grown := changed.DeepCopy()
	grown.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("8")
	require.Equal(t, NodeAllocatable, s.SetNode(grown))

	pod := testPod("web", resources("1", "1Gi"))
	pod.Spec.NodeName = "node-1"
	s.AddPod(pod)
	leaving := pod.DeepCopy()
	leaving.DeletionTimestamp = &metav1.Time{Time: noon}
	require.Equal(t, PodPlaced|PodRemoved, s.AddPod(leaving))
	done := leaving.DeepCopy()
	done.Status.Phase = corev1.PodSucceeded
	require.Equal(t, PodRemoved, s.AddPod(done))
	require.Zero(t, s.nodes["node-1"].requested.milliCPU)
	require.Zero(t, s.RemovePod(done))
}

// A node that leaves and returns while its pods are still there finds them again, and nothing is left over at the
// end.
func TestSnapshotNodeReturns(t *testing.T) {
	s := NewSnapshot()
	node := testNode("node-1", nodeResources("4", "8Gi"), nil)
	pod := testPod("web", resources("3", "1Gi"))
	pod.Spec.NodeName = "node-1"
	s.AddPod(pod) // before its node is known
	require.Empty(t, s.Nodes())
	s.SetNode(node)
	require.Equal(t, NodeRemoved, s.RemoveNode(node))
	require.Empty(t, s.Nodes())
	require.Equal(t, "no nodes available to schedule pods", Schedule(DefaultProfile(), s, testPod("b", nil)).Message)
	s.SetNode(node)
	require.Contains(t, Schedule(DefaultProfile(), s, testPod("b", resources("2", "1Gi"))).Message, "Insufficient cpu")
	s.RemoveNode(node)
	s.RemovePod(pod)
	require.Empty(t, s.nodes)
	require.Empty(t, s.places)
	require.Same(t, &s.changed, s.changed.older)
}

func TestSlimKeepsWhatDecisionsRead(t *testing.T) {
	pod := testPod("web", resources("1", "1Gi"))
	pod.Annotations = map[string]string{"note": "long"}
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "B"}}
	pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady}, {Type: corev1.PodScheduled}}
	key := shapeKey(DefaultProfile(), NewSnapshot(), pod)
	_, err := Slim(pod)
	require.NoError(t, err)
	require.Equal(t, key, shapeKey(DefaultProfile(), NewSnapshot(), pod))
	require.Nil(t, pod.Annotations)
	require.Nil(t, pod.Spec.Containers[0].Env)
	require.Len(t, pod.Status.Conditions, 1)
}
