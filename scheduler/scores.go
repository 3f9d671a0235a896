package scheduler

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
)

// maxScore is the best a node can get from one plugin, before the plugin's weight.
const maxScore = 100

// normalization is how a plugin's raw scores become scores from 0 to maxScore, once all feasible nodes have theirs.
type normalization int

const (
	asIs       normalization = iota // raw scores are in range already
	toMost                          // the highest raw score becomes maxScore
	toLeast                         // a raw score of 0 becomes maxScore, the highest becomes 0
	bySpread                        // PodTopologySpread looks at all nodes at once: see spread.go
	byAffinity                      // InterPodAffinity does as well: see affinity.go
	byImages                        // ImageLocality looks at how many nodes have an image: see images.go
)

// score is one row of the table of scores.
type score struct {
	name      string
	weight    int64 // upstream's default
	raw       func(*Profile, *shape, *NodeInfo) int64
	normalize normalization
}

// scores are upstream's default plugins and weights, as far as they are here. raws has one place for each.
func scores() [scoreCount]score {
	return [scoreCount]score{
		{TaintToleration, 3, scoreTaintToleration, toLeast},
		{NodeAffinity, 2, scoreNodeAffinity, toMost},
		{NodeResourcesFit, 1, scoreNodeResourcesFit, asIs},
		{NodeResourcesBalancedAllocation, 1, scoreBalancedAllocation, asIs},
		{PodTopologySpread, 2, nil, bySpread},
		{InterPodAffinity, 2, nil, byAffinity},
		{ImageLocality, 1, nil, byImages},
	}
}

const scoreCount = 7

// raws are one node's raw scores, in the order of scores.
type raws [scoreCount]int64

// scoreTaintToleration counts the PreferNoSchedule taints that the pod does not tolerate.
func scoreTaintToleration(_ *Profile, s *shape, n *NodeInfo) int64 {
	var count int64
	for i := range n.Node.Spec.Taints {
		taint := &n.Node.Spec.Taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule && !tolerated(s.soft, taint) {
			count++
		}
	}
	return count
}

// scoreNodeAffinity adds up the weights of the preferred terms that the node matches.
func scoreNodeAffinity(p *Profile, s *shape, n *NodeInfo) int64 {
	var sum int64
	if s.preferred != nil {
		sum += s.preferred.Score(n.Node)
	}
	if p.AddedAffinity.preferred != nil {
		sum += p.AddedAffinity.preferred.Score(n.Node)
	}
	return sum
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

// scoreBalancedAllocation is how much more evenly the node's resources would be taken with the pod than without: 75
// is no difference, 100 and 50 are the ends. A pod that asks for none of the resources gives every node 0.
func scoreBalancedAllocation(p *Profile, s *shape, n *NodeInfo) int64 {
	var withSpace, withoutSpace [4]float64
	with, without := withSpace[:0], withoutSpace[:0] // the share of each resource that is taken, from 0 to 1
	asked := false
	for _, r := range p.Balanced {
		name := corev1.ResourceName(r.Name)
		wanted, allocatable := s.requests.of(name), n.allocatable.of(name)
		asked = asked || wanted > 0
		if allocatable == 0 || (wanted == 0 && extended(name)) {
			continue
		}
		taken := n.requested.of(name)
		with = append(with, min(1, float64(taken+wanted)/float64(allocatable)))
		without = append(without, min(1, float64(taken)/float64(allocatable)))
	}
	if !asked {
		return 0
	}
	return maxScore/2 + (maxScore/2+evenness(with)-evenness(without))/2
}

// evenness is 100 where all shares are equal, less by their standard deviation.
func evenness(shares []float64) int64 {
	if len(shares) < 2 {
		return maxScore
	}
	if len(shares) == 2 { // the same deviation without the rounding of squares and roots
		return int64((1 - math.Abs(shares[0]-shares[1])/2) * maxScore)
	}
	var sum, squares float64
	for _, share := range shares {
		sum += share
	}
	mean := sum / float64(len(shares))
	for _, share := range shares {
		squares += (share - mean) * (share - mean)
	}
	return int64((1 - math.Sqrt(squares/float64(len(shares)))) * maxScore)
}
