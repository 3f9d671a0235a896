package scheduling

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	upstreamframework "k8s.io/kubernetes/pkg/scheduler/framework"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/scheduler/framework"
)

// eachPod is for as many random pods as decisions are compared.
func eachPod(test func(r random, pod *corev1.Pod)) {
	r := newRandom(*seed)
	for i := range *n * decisions {
		test(r, stored(r.pod(i)))
	}
}

// TestQoSClass compares the class that says who is evicted first where a node runs out of memory.
func TestQoSClass(t *testing.T) {
	classes := map[corev1.PodQOSClass]int{}
	eachPod(func(r random, pod *corev1.Pod) {
		if r.oneIn(8) { // so that some are guaranteed what they ask for
			pod.Spec.InitContainers, pod.Spec.Resources = nil, nil
			for i := range pod.Spec.Containers {
				c := &pod.Spec.Containers[i]
				c.Resources.Limits = c.Resources.Requests
			}
		}
		class := qos.ComputePodQOS(pod)
		classes[class]++
		require.Equal(t, class, podspec.QoSClass(&pod.Spec), "%+v", pod.Spec)
	})
	require.Len(t, classes, 3)
}

// TestQueueOrder compares who is decided about first.
func TestQueueOrder(t *testing.T) {
	up, _ := schedulers(t)
	less := up.Profiles[corev1.DefaultSchedulerName].QueueSortFunc()
	var before *corev1.Pod
	var since time.Time
	eachPod(func(r random, pod *corev1.Pod) {
		at := noon.Add(time.Duration(r.Intn(4)) * time.Second)
		if before != nil {
			first, second := queued(before, since), queued(pod, at)
			require.Equal(t, less(first, second), framework.Before(before, pod, since, at))
			require.Equal(t, less(second, first), framework.Before(pod, before, at, since))
		}
		before, since = pod, at
	})
}

func queued(pod *corev1.Pod, since time.Time) *upstreamframework.QueuedPodInfo {
	return &upstreamframework.QueuedPodInfo{
		PodInfo: &upstreamframework.PodInfo{Pod: pod}, QueueingParams: upstreamframework.QueueingParams{Timestamp: since},
	}
}
