package scheduler

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// A trial asks a node again as if other pods were on it: without the pods that preemption would evict, or with those
// that are nominated for it. Filters that compare nodes compare it with all others as they are.

type trial struct {
	profile *Profile
	shape   *shape
	alone   alone
	uid     types.UID // of the pod, whose own nomination is none of its rivals
	groups  []*group  // all nodes but this one, and at the end the node as it would be
}

// newTrial is for one of the nodes in the group at from.
func newTrial(p *Profile, v view, from int, uid types.UID) *trial {
	t := &trial{profile: p, shape: v.shape, alone: v.alone, uid: uid}
	if !v.shape.compares {
		return t
	}
	t.groups = append(slices.Clone(v.groups), &group{size: 1})
	others := *v.groups[from]
	others.size--
	t.groups[from] = &others
	return t
}

// ask is the first no of the node as it would be: with the pods nominated for it, and without them.
func (t *trial) ask(n *NodeInfo) *Rejection {
	v := judge(t.profile, t.shape, n, t.alone, t.uid)
	if v.rejection != nil || !t.shape.compares {
		return v.rejection
	}
	if v.crowd != nil {
		if r := t.compare(*v.crowd); r != nil {
			return r
		}
	}
	return t.compare(v)
}

// compare asks the filters that compare nodes.
func (t *trial) compare(v verdict) *Rejection {
	last := len(t.groups) - 1
	t.groups[last].verdict = v
	standings := make([]standing, len(t.groups))
	compare(t.profile, t.shape, t.groups, standings)
	return standings[last].rejection
}
