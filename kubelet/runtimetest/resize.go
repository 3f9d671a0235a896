package runtimetest

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"minik.dev/kubelet/runtime"
)

func resized(t *testing.T, b *bench) {
	resizer, ok := b.Runtime.(runtime.Resizer)
	if !ok {
		t.Skip("the runtime resizes no containers")
	}
	pod := b.pod(t, "web", Runs)
	spec := pod.Spec.Containers[0].DeepCopy()
	spec.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m")},
		Limits: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("400m"), corev1.ResourceMemory: resource.MustParse("256Mi"),
		},
	}
	id := b.start(t, pod, 0, 0)
	before := b.await(t, pod, id, runtime.Running)
	require.NoError(t, resizer.Resize(t.Context(), id, spec))
	after := b.await(t, pod, id, runtime.Running)
	require.Equal(t, before, after, "the same attempt runs on")
	require.NoError(t, b.Runtime.Stop(t.Context(), id, 0))
	b.await(t, pod, id, runtime.Exited)
	require.ErrorIs(t, resizer.Resize(t.Context(), id, spec), runtime.ErrNotFound, "it has ended")
	require.ErrorIs(t, resizer.Resize(t.Context(), "none://such", spec), runtime.ErrNotFound)
}
