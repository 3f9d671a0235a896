package kubelet_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"

	"minik.dev/cluster/clustertest"
)

// resizes are the pods of a real cluster.
type resizes struct {
	typedcorev1.PodInterface
}

// make makes a pod of one container that asks for so much cpu, on node-1.
func (p resizes) make(t *testing.T, name, cpu string, change func(*corev1.Pod)) {
	pod := bound(name, func(pod *corev1.Pod) {
		pod.UID = ""
		pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
		if change != nil {
			change(pod)
		}
	})
	var err error
	require.Eventually(t, func() bool { // The default service account is made by a controller.
		_, err = p.Create(t.Context(), pod, metav1.CreateOptions{})
		return err == nil
	}, patience, often, "%v", err)
}

// resize asks for so much cpu from now on.
func (p resizes) resize(t *testing.T, name, cpu string) *corev1.Pod {
	var resized *corev1.Pod
	require.NoError(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		pod, err := p.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		pod.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
		resized, err = p.UpdateResize(t.Context(), name, pod, metav1.UpdateOptions{})
		return err
	}))
	return resized
}

func (p resizes) until(t *testing.T, name string, is func(*corev1.Pod) bool) *corev1.Pod {
	var pod *corev1.Pod
	require.Eventually(t, func() bool {
		var err error
		pod, err = p.Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && is(pod)
	}, patience, often, "pod %s", name)
	return pod
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// has says that so much cpu is in force, and nothing is waited for.
func has(cpu string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		return len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].Resources != nil &&
			pod.Status.ContainerStatuses[0].Resources.Requests.Cpu().Cmp(resource.MustParse(cpu)) == 0 &&
			pod.Status.ContainerStatuses[0].AllocatedResources.Cpu().Cmp(resource.MustParse(cpu)) == 0 &&
			pod.Status.ObservedGeneration == pod.Generation && condition(pod, corev1.PodResizeInProgress) == nil &&
			condition(pod, corev1.PodResizePending) == nil
	}
}

// https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/ on a real API server: a pod grows
// where it runs, waits for room, gets it when another goes, and the scheduler counts what it has.
func TestResizeOnACluster(t *testing.T) {
	client, err := kubernetes.NewForConfig(clustertest.Start(t))
	require.NoError(t, err)
	pods := resizes{client.CoreV1().Pods("default")}
	pods.make(t, "grows", "1", nil)
	pods.make(t, "goes", "1", nil)
	pods.until(t, "goes", ready)
	before := pods.until(t, "grows", ready)

	// 1. In place.
	resized := pods.resize(t, "grows", "1500m")
	require.Equal(t, before.Generation+1, resized.Generation)
	require.True(t, slices.ContainsFunc(resized.ManagedFields, func(f metav1.ManagedFieldsEntry) bool {
		return f.Subresource == "resize"
	}))
	after := pods.until(t, "grows", has("1500m"))
	require.Zero(t, after.Status.ContainerStatuses[0].RestartCount)
	require.Equal(t, before.Status.ContainerStatuses[0].ContainerID, after.Status.ContainerStatuses[0].ContainerID)

	// 2. Not by an ordinary update, and nothing else by a resize.
	after.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("2")
	_, err = pods.Update(t.Context(), after, metav1.UpdateOptions{})
	require.ErrorContains(t, err, "pod updates may not change fields other than")
	after.Spec.Containers[0].Image = "other"
	_, err = pods.UpdateResize(t.Context(), "grows", after, metav1.UpdateOptions{})
	require.ErrorContains(t, err, "spec: Forbidden: only cpu and memory resources are mutable")

	// 3. More than there is now, until the other pod is gone.
	pods.resize(t, "grows", "3500m")
	waits := pods.until(t, "grows", func(pod *corev1.Pod) bool { return condition(pod, corev1.PodResizePending) != nil })
	require.Equal(t, corev1.PodReasonDeferred, condition(waits, corev1.PodResizePending).Reason)
	require.Equal(t, "Node didn't have enough resource: cpu, requested: 3500, used: 1000, capacity: 4000",
		condition(waits, corev1.PodResizePending).Message)
	require.Equal(t, "1500m", waits.Status.ContainerStatuses[0].Resources.Requests.Cpu().String())
	require.NoError(t, pods.Delete(t.Context(), "goes", metav1.DeleteOptions{}))
	pods.until(t, "grows", has("3500m"))

	// 4. The scheduler has no room for another pod there until this one shrinks.
	pods.make(t, "comes", "2", func(pod *corev1.Pod) {
		pod.Spec.NodeName, pod.Spec.NodeSelector = "", map[string]string{corev1.LabelHostname: "node-1"}
	})
	pods.until(t, "comes", func(pod *corev1.Pod) bool {
		c := condition(pod, corev1.PodScheduled)
		return c != nil && c.Reason == corev1.PodReasonUnschedulable
	})
	pods.resize(t, "grows", "1")
	pods.until(t, "comes", ready)
	pods.until(t, "grows", has("1"))
}
