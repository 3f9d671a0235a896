package framework

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// A pod waits for all of its gates to be lifted, and says so in upstream's words.
// (kubernetes.io/docs/concepts/scheduling-eviction/pod-scheduling-readiness/)
func TestGated(t *testing.T) {
	pod := &corev1.Pod{}
	require.Nil(t, Gated(pod))
	pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/a"}, {Name: "example.com/b"}}
	require.Equal(t, &Rejection{
		Plugin: SchedulingGates, Reasons: []string{"waiting for scheduling gates: [example.com/a example.com/b]"},
		Unresolvable: true, OfPod: true,
	}, Gated(pod))
}
