package framework

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/: a placed pod counts with the most of
// what it asks for, was granted and has; what its node can never grant does not count.
func TestAResizedPodIsCounted(t *testing.T) {
	cpu := func(milli int64) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(milli, resource.DecimalSI)}
	}
	for name, c := range map[string]struct {
		asked, granted, has int64
		pending             string
		wanted              int64
	}{
		"settled":    {200, 200, 200, "", 200},
		"deferred":   {900, 200, 200, corev1.PodReasonDeferred, 900},
		"infeasible": {9000, 200, 200, corev1.PodReasonInfeasible, 200},
		"shrinking":  {100, 100, 500, "", 500},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{
			{Name: "a", Resources: corev1.ResourceRequirements{Requests: cpu(c.asked)}}}}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "a", AllocatedResources: cpu(c.granted),
			Resources: &corev1.ResourceRequirements{Requests: cpu(c.has)}}}
		if c.pending != "" {
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Status: corev1.ConditionTrue,
				Reason: c.pending}}
		}
		kept, err := Slim(pod)
		require.NoError(t, err)
		counted := requests(kept.(*corev1.Pod), true)
		require.Equal(t, c.wanted, counted.milliCPU, name)
	}
}
