package scheduler

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelpers "k8s.io/component-helpers/resource"
)

// A container that requests no cpu or memory is scored as if it asked for this much, so that many such containers do
// not all land on one node. Filters take the request as it stands. (Upstream's DefaultMilliCPURequest and
// DefaultMemoryRequest.)
const (
	defaultMilliCPU = 100
	defaultMemory   = 200 * 1024 * 1024
)

// amounts are quantities of resources, as integers that add up fast.
type amounts struct {
	milliCPU         int64 // thousandths of a core
	memory           int64 // bytes
	ephemeralStorage int64 // bytes
	pods             int64
	extended         map[corev1.ResourceName]int64 // every other resource in its own unit; nil where there is none
}

func newAmounts(list corev1.ResourceList) amounts {
	var a amounts
	for name, quantity := range list {
		switch name {
		case corev1.ResourceCPU:
			a.milliCPU = quantity.MilliValue()
		case corev1.ResourceMemory:
			a.memory = quantity.Value()
		case corev1.ResourceEphemeralStorage:
			a.ephemeralStorage = quantity.Value()
		case corev1.ResourcePods:
			a.pods = quantity.Value()
		default:
			if a.extended == nil {
				a.extended = map[corev1.ResourceName]int64{}
			}
			a.extended[name] = quantity.Value()
		}
	}
	return a
}

// add adds sign times b.
func (a *amounts) add(b *amounts, sign int64) {
	a.milliCPU += sign * b.milliCPU
	a.memory += sign * b.memory
	a.ephemeralStorage += sign * b.ephemeralStorage
	a.pods += sign * b.pods
	for name, n := range b.extended {
		if a.extended == nil {
			a.extended = map[corev1.ResourceName]int64{}
		}
		a.extended[name] += sign * n
	}
}

func (a *amounts) of(name corev1.ResourceName) int64 {
	switch name {
	case corev1.ResourceCPU:
		return a.milliCPU
	case corev1.ResourceMemory:
		return a.memory
	case corev1.ResourceEphemeralStorage:
		return a.ephemeralStorage
	case corev1.ResourcePods:
		return a.pods
	}
	return a.extended[name]
}

func (a *amounts) equal(b *amounts) bool {
	return a.milliCPU == b.milliCPU && a.memory == b.memory && a.ephemeralStorage == b.ephemeralStorage &&
		a.pods == b.pods && maps.Equal(a.extended, b.extended)
}

// extendedNames are the names of the other resources, sorted.
func (a *amounts) extendedNames() []corev1.ResourceName {
	if len(a.extended) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(a.extended))
}

// requests is what a pod asks for: the sum of its containers or the largest of its init containers, whichever is
// more, with sidecars and overhead. A placed pod counts with what its node has really given it.
func requests(pod *corev1.Pod, placed bool) amounts {
	var a amounts
	if c := lone(pod, placed); c != nil {
		a = newAmounts(c.Resources.Requests)
	} else {
		a = newAmounts(resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{UseStatusResources: placed}))
	}
	a.pods = 1
	return a
}

// scoredRequests is what a pod asks for when nodes are scored: with the defaults for containers that ask for nothing.
func scoredRequests(pod *corev1.Pod, placed bool) amounts {
	var a amounts
	if c := lone(pod, placed); c != nil {
		a = newAmounts(c.Resources.Requests)
		if _, asks := c.Resources.Requests[corev1.ResourceCPU]; !asks {
			a.milliCPU = defaultMilliCPU
		}
		if _, asks := c.Resources.Requests[corev1.ResourceMemory]; !asks {
			a.memory = defaultMemory
		}
	} else {
		a = newAmounts(resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{
			UseStatusResources: placed,
			NonMissingContainerRequests: corev1.ResourceList{
				corev1.ResourceCPU:    *resource.NewMilliQuantity(defaultMilliCPU, resource.DecimalSI),
				corev1.ResourceMemory: *resource.NewQuantity(defaultMemory, resource.BinarySI),
			},
		}))
	}
	a.pods = 1
	return a
}

// lone is the one container whose requests are all that the pod asks for, as of most pods: there is nothing to add up or
// to compare then, which takes upstream's helper a dozen maps. It is nil where there is more to it.
func lone(pod *corev1.Pod, placed bool) *corev1.Container {
	spec := &pod.Spec
	if len(spec.Containers) != 1 || len(spec.InitContainers) > 0 || spec.Overhead != nil || spec.Resources != nil {
		return nil
	}
	c := &spec.Containers[0]
	if placed && (resourcehelpers.IsPodResizeInfeasible(pod) || givenOther(c, pod.Status.ContainerStatuses)) {
		return nil
	}
	return c
}

// givenOther reports whether the container was really given, or promised, something else than it asks for.
func givenOther(c *corev1.Container, statuses []corev1.ContainerStatus) bool {
	return slices.ContainsFunc(statuses, func(status corev1.ContainerStatus) bool {
		return status.Resources != nil && !sameResources(status.Resources.Requests, c.Resources.Requests) ||
			status.AllocatedResources != nil && !sameResources(status.AllocatedResources, c.Resources.Requests)
	})
}

func sameResources(a, b corev1.ResourceList) bool {
	return maps.EqualFunc(a, b, func(x, y resource.Quantity) bool { return x.Cmp(y) == 0 })
}
