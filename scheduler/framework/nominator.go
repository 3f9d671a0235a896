package framework

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Nominate notes that the pod waits for room on the node, which others leave for it. From then on it counts there for
// pods that do not go before it.
func (s *Snapshot) Nominate(pod *corev1.Pod, node string) Change {
	info := newPodInfo(pod)
	if s.nominations[pod.UID] == node {
		if known := s.nodes[node].nominated[pod.UID]; known.same(info) {
			known.pod = pod
			return 0
		}
	}
	happened := s.Unnominate(pod.UID)
	n := s.node(node)
	if n.nominated == nil {
		n.nominated = map[types.UID]*podInfo{}
	}
	info.terms = s.terms.take(pod)
	n.nominated[pod.UID] = info
	s.nominations[pod.UID] = node
	s.touch(n)
	return happened | PodPlaced
}

// Unnominate takes a nomination back.
func (s *Snapshot) Unnominate(uid types.UID) Change {
	place, ok := s.nominations[uid]
	if !ok {
		return 0
	}
	n := s.nodes[place]
	s.terms.release(n.nominated[uid].terms)
	delete(n.nominated, uid)
	delete(s.nominations, uid)
	s.touch(n)
	s.forget(place, n)
	return PodRemoved
}

// Nominated is the node that the pod waits for room on; empty where there is none.
func (s *Snapshot) Nominated(uid types.UID) string { return s.nominations[uid] }

// NominatedBelow are the pods nominated for the node that a pod of the priority goes before.
func (s *Snapshot) NominatedBelow(node string, priority int32) []*corev1.Pod {
	var pods []*corev1.Pod
	if n := s.Node(node); n != nil {
		for _, p := range n.nominated {
			if p.priority < priority {
				pods = append(pods, p.pod)
			}
		}
	}
	return pods
}

// A dry run asks a node again as if other pods were on it: without the pods that preemption would evict, or with those
// that are nominated for it. Filters that compare nodes compare it with all others as they are.

type dryRun struct {
	profile *Profile
	shape   *shape
	alone   alone
	uid     types.UID         // of the pod, whose own nomination is none of its rivals
	groups  []*group          // all nodes but this one, and at the end the node as it would be
	skipped [factsPlaces]bool // filters that are not asked
}

// newDryRun is for one of the nodes in the group at from.
func newDryRun(p *Profile, v view, from int, uid types.UID) *dryRun {
	t := &dryRun{profile: p, shape: v.shape, alone: v.alone, uid: uid}
	if !v.shape.compares {
		return t
	}
	t.groups = append(slices.Clone(v.groups), &group{size: 1})
	for _, c := range p.comparisons {
		t.skipped[c.place] = c.skips != nil && c.skips(v.shape, v.groups)
	}
	others := *v.groups[from]
	others.size--
	t.groups[from] = &others
	return t
}

// ask is the first no of the node as it would be: with the pods nominated for it, and without them.
func (t *dryRun) ask(n *NodeInfo) *Rejection {
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
func (t *dryRun) compare(v verdict) *Rejection {
	last := len(t.groups) - 1
	t.groups[last].verdict = v
	standings := make([]standing, len(t.groups))
	compare(t.profile, t.shape, t.groups, standings, t.skipped)
	return standings[last].rejection
}
