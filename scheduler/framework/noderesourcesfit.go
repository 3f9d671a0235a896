package framework

import (
	"maps"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelpers "k8s.io/component-helpers/resource"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
)

// podRequestFields are the fields that a pod's requests are read from.
var podRequestFields = []string{
	"spec.containers.resources.requests", "spec.initContainers.resources.requests", "spec.initContainers.restartPolicy",
	"spec.overhead", "spec.resources.requests",
}

var nodeResourcesFitRow = plugin{
	name:    NodeResourcesFit,
	reads:   podRequestFields,
	key:     appendRequests,
	prepare: prepareNodeResourcesFit,
	check:   checkNodeResourcesFit,
	helps:   NodeAdded | NodeAllocatable | PodRemoved,
	weight:  1,
	score:   scoreNodeResourcesFit,
}

func appendRequests(b []byte, _ *Profile, pod *corev1.Pod) []byte {
	return appendAmounts(appendAmounts(append(b, 'r'), requests(pod, false)), scoredRequests(pod, false))
}

func prepareNodeResourcesFit(s *shape, p *Profile, _ *Snapshot, pod *corev1.Pod) {
	s.requests, s.scored = requests(pod, false), scoredRequests(pod, false)
	s.extended = slices.DeleteFunc(s.requests.extendedNames(), p.ignores)
}

// checkNodeResourcesFit: what the pod requests is at most what the node has left. Only requests count, never limits
// or use. A request above all that the node has cannot be met by evicting others.
func checkNodeResourcesFit(s *shape, n *NodeInfo) *Rejection {
	var reasons []string
	unresolvable := false
	if n.requested.pods+1 > n.allocatable.pods {
		reasons = append(reasons, "Too many pods")
	}
	check := func(name corev1.ResourceName, wanted, allocatable, taken int64) {
		if wanted > 0 && wanted > allocatable-taken {
			reasons = append(reasons, "Insufficient "+string(name))
			unresolvable = unresolvable || wanted > allocatable
		}
	}
	want, have, used := &s.requests, &n.allocatable, &n.requested
	check(corev1.ResourceCPU, want.milliCPU, have.milliCPU, used.milliCPU)
	check(corev1.ResourceMemory, want.memory, have.memory, used.memory)
	check(corev1.ResourceEphemeralStorage, want.ephemeralStorage, have.ephemeralStorage, used.ephemeralStorage)
	for _, name := range s.extended {
		check(name, want.extended[name], have.extended[name], used.extended[name])
	}
	if reasons == nil {
		return nil
	}
	return reject(NodeResourcesFit, unresolvable, reasons...)
}

// ignores reports whether NodeResourcesFit leaves the resource to others.
func (p *Profile) ignores(name corev1.ResourceName) bool {
	group, _, _ := strings.Cut(string(name), "/")
	return slices.Contains(p.IgnoredResources, string(name)) || slices.Contains(p.IgnoredResourceGroups, group)
}

// scoreNodeResourcesFit is the weighted mean, over the strategy's resources, of what would be left (LeastAllocated)
// or taken (MostAllocated) with the pod on the node, as a share of what there is, from 0 to 100; or of what a line
// through given points makes of the share that is taken (RequestedToCapacityRatio).
func scoreNodeResourcesFit(p *Profile, s *shape, n *NodeInfo) int64 {
	var sum, weights int64
	for _, r := range p.Fit.Resources {
		name := corev1.ResourceName(r.Name)
		allocatable, wanted := n.allocatable.of(name), s.scored.of(name)
		if allocatable == 0 || (wanted == 0 && extended(name)) {
			continue
		}
		taken := n.scored.of(name) + wanted
		var share int64
		switch {
		case p.Fit.Type == kubeschedulerv1.RequestedToCapacityRatio:
			if share = ratioScore(p.Fit.RequestedToCapacityRatio.Shape, taken, allocatable); share == 0 {
				continue
			}
		case p.Fit.Type == kubeschedulerv1.MostAllocated:
			share = min(taken, allocatable) * MaxScore / allocatable
		case taken <= allocatable:
			share = (allocatable - taken) * MaxScore / allocatable
		}
		sum += share * r.Weight
		weights += r.Weight
	}
	if weights == 0 {
		return 0
	}
	if p.Fit.Type == kubeschedulerv1.RequestedToCapacityRatio {
		return int64(math.Round(float64(sum) / float64(weights)))
	}
	return sum / weights
}

// ratioScore is the height of the line through the points, whose scores are tenths of MaxScore, at the share in
// percent that is taken. Beyond the first and the last point it is level.
func ratioScore(points []kubeschedulerv1.UtilizationShapePoint, taken, allocatable int64) int64 {
	const scale = MaxScore / 10
	at := int64(100)
	if taken <= allocatable {
		at = taken * 100 / allocatable
	}
	for i, p := range points {
		x, y := int64(p.Utilization), int64(p.Score)*scale
		if at > x {
			continue
		}
		if i == 0 {
			return y
		}
		x0, y0 := int64(points[i-1].Utilization), int64(points[i-1].Score)*scale
		return y0 + (y-y0)*(at-x0)/(x-x0)
	}
	return int64(points[len(points)-1].Score) * scale
}

// extended reports whether the resource is not one of the node's own kinds: a pod that asks for none of it is not
// scored by it.
func extended(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourcePods:
		return false
	}
	return true
}

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
		a = newAmounts(resourcehelpers.PodRequests(pod, requestsOf(placed)))
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
		options := requestsOf(placed)
		options.NonMissingContainerRequests = corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(defaultMilliCPU, resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(defaultMemory, resource.BinarySI),
		}
		if !placed { // upstream's score looks at the containers of the pod that comes, and no further
			options.SkipPodLevelResources = true
		} else if resourcehelpers.IsPodLevelRequestsSet(pod) { // what such a pod asks for as a whole needs no default
			for name := range resourcehelpers.PodRequests(pod, requestsOf(placed)) {
				delete(options.NonMissingContainerRequests, name)
			}
		}
		a = newAmounts(resourcehelpers.PodRequests(pod, options))
	}
	a.pods = 1
	return a
}

// requestsOf are the options by which upstream's scheduler reads requests.
func requestsOf(placed bool) resourcehelpers.PodResourcesOptions {
	return resourcehelpers.PodResourcesOptions{
		UseStatusResources: placed, InPlacePodLevelResourcesVerticalScalingEnabled: placed,
	}
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
