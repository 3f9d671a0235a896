package framework

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelpers "k8s.io/component-helpers/resource"
)

// What a pod asks for is what upstream's helper says, also where the helper is not asked.
func TestRequestsAreUpstreams(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	maybe := func() bool { return r.IntN(3) == 0 }
	list := func() corev1.ResourceList {
		out := corev1.ResourceList{}
		for name, values := range map[corev1.ResourceName][]string{
			corev1.ResourceCPU: {"0", "100m", "0.5m", "2"}, corev1.ResourceMemory: {"0", "100m", "64Mi", "1G"},
			corev1.ResourceEphemeralStorage: {"1Gi"}, "example.com/gpu": {"0", "2"},
		} {
			if !maybe() {
				out[name] = resource.MustParse(values[r.IntN(len(values))])
			}
		}
		return out
	}
	some := func() *corev1.ResourceRequirements { return &corev1.ResourceRequirements{Requests: list()} }
	quick, asGiven := 0, 0
	for range 5000 {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Resources: *some()}}}}
		if maybe() {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "b", Resources: *some()})
		}
		if maybe() {
			pod.Spec.InitContainers = []corev1.Container{{Name: "init", Resources: *some()}}
		}
		if maybe() {
			pod.Spec.Overhead = list()
		}
		if maybe() {
			pod.Spec.Resources = some()
		}
		if maybe() {
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Reason: corev1.PodReasonInfeasible}}
		}
		if maybe() {
			status := corev1.ContainerStatus{Name: "a"}
			if maybe() {
				status.Resources = some()
			}
			if maybe() {
				status.AllocatedResources = list()
			}
			if maybe() { // as kubelets report it when nothing was resized
				status.Resources, status.AllocatedResources = &pod.Spec.Containers[0].Resources, pod.Spec.Containers[0].Resources.Requests
			}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{status}
		}
		for _, placed := range []bool{false, true} {
			if lone(pod, placed) != nil {
				quick++
				if len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].Resources != nil && placed {
					asGiven++
				}
			}
			options := resourcehelpers.PodResourcesOptions{
				UseStatusResources: placed, InPlacePodLevelResourcesVerticalScalingEnabled: placed,
			}
			want := newAmounts(resourcehelpers.PodRequests(pod, options))
			want.pods = 1
			require.Equal(t, want, requests(pod, placed), "placed %v: %+v", placed, pod)
			options.NonMissingContainerRequests = corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("200Mi"),
			}
			for name := range resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{UseStatusResources: true}) {
				if placed && resourcehelpers.IsPodLevelRequestsSet(pod) {
					delete(options.NonMissingContainerRequests, name)
				}
			}
			options.SkipPodLevelResources = !placed
			want = newAmounts(resourcehelpers.PodRequests(pod, options))
			want.pods = 1
			require.Equal(t, want, scoredRequests(pod, placed), "placed %v: %+v", placed, pod)
		}
	}
	require.Greater(t, quick, 1000, "of 10,000 questions")
	require.Greater(t, asGiven, 50, "of those, with a status that says what the container was given")
}
