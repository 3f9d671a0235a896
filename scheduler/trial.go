package scheduler

import (
	"maps"
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
	if !v.shape.compares() {
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
	if v.rejection != nil || !t.shape.compares() {
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

// clone is the node with pods of its own, to add and remove some.
func (n *NodeInfo) clone() *NodeInfo {
	c := &NodeInfo{
		Node: n.Node, pods: maps.Clone(n.pods), nominated: n.nominated, images: n.images, allocatable: n.allocatable,
		requested: n.requested, scored: n.scored, ports: maps.Clone(n.ports), controlled: maps.Clone(n.controlled), slot: n.slot,
	}
	c.requested.extended, c.scored.extended = maps.Clone(n.requested.extended), maps.Clone(n.scored.extended)
	return c
}

func (n *NodeInfo) put(p *podInfo) {
	if n.pods == nil {
		n.pods = map[types.UID]*podInfo{}
	}
	n.pods[p.pod.UID] = p
	n.take(p, 1)
}

func (n *NodeInfo) drop(p *podInfo) {
	delete(n.pods, p.pod.UID)
	n.take(p, -1)
}

// crowded is the node with the pods that are nominated for it, as far as they go before a pod of the priority; nil
// where there are none. The pod itself is not among them.
func (n *NodeInfo) crowded(priority int32, uid types.UID) *NodeInfo {
	var c *NodeInfo
	for _, p := range n.nominated {
		if p.priority < priority || p.pod.UID == uid {
			continue
		}
		if c == nil {
			c = n.clone()
		}
		c.put(p)
	}
	return c
}
