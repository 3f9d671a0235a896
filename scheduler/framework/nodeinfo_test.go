package framework

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// A node that is asked again after pods came and went holds no more than it has.
func TestNeverOverCommitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshot, profile := NewSnapshot(), DefaultProfile()
		for i := range 3 {
			snapshot.SetNode(testNode(fmt.Sprintf("n%d", i), nodeResources("2", "2Gi"), nil))
		}
		var placed []*corev1.Pod
		for i := range rapid.IntRange(1, 60).Draw(t, "pods") {
			cpu := rapid.SampledFrom([]string{"100m", "500m", "1500m"}).Draw(t, "cpu")
			pod := testPod(fmt.Sprint(i), resources(cpu, "100Mi"))
			if d := Schedule(profile, snapshot, pod); d.Node != "" {
				pod.Spec.NodeName = d.Node
				snapshot.AddPod(pod)
				placed = append(placed, pod)
			}
			if len(placed) > 0 && rapid.Bool().Draw(t, "remove") {
				snapshot.RemovePod(placed[0])
				placed = placed[1:]
			}
			for _, n := range snapshot.Nodes() {
				require.LessOrEqual(t, n.requested.milliCPU, n.allocatable.milliCPU)
				require.LessOrEqual(t, n.requested.memory, n.allocatable.memory)
			}
		}
	})
}
