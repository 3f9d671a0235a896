package scheduler

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
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
	helps:   nodeAdded | nodeAllocatable | podRemoved,
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
			share = min(taken, allocatable) * maxScore / allocatable
		case taken <= allocatable:
			share = (allocatable - taken) * maxScore / allocatable
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

// ratioScore is the height of the line through the points, whose scores are tenths of maxScore, at the share in
// percent that is taken. Beyond the first and the last point it is level.
func ratioScore(points []kubeschedulerv1.UtilizationShapePoint, taken, allocatable int64) int64 {
	const scale = maxScore / 10
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
