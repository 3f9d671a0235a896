package framework

import (
	"math"

	corev1 "k8s.io/api/core/v1"
)

var nodeResourcesBalancedAllocationRow = plugin{
	name:   NodeResourcesBalancedAllocation,
	reads:  podRequestFields, // in NodeResourcesFit's key, and prepared by it
	weight: 1,
	score:  scoreBalancedAllocation,
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
	return MaxScore/2 + (MaxScore/2+evenness(with)-evenness(without))/2
}

// evenness is 100 where all shares are equal, less by their standard deviation.
func evenness(shares []float64) int64 {
	if len(shares) < 2 {
		return MaxScore
	}
	if len(shares) == 2 { // the same deviation without the rounding of squares and roots
		return int64((1 - math.Abs(shares[0]-shares[1])/2) * MaxScore)
	}
	var sum, squares float64
	for _, share := range shares {
		sum += share
	}
	mean := sum / float64(len(shares))
	for _, share := range shares {
		squares += (share - mean) * (share - mean)
	}
	return int64((1 - math.Sqrt(squares/float64(len(shares)))) * MaxScore)
}
