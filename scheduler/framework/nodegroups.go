package framework

import (
	"math/bits"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// maxShapes bounds the shapes that are remembered. The groups of one take about 10 bytes for each node, and 1 bit for each
// node and group.
const maxShapes = 64

// shapeCache remembers for the shapes seen last what every node says to them, grouped by verdict.
type shapeCache struct {
	byShape map[string]*shapeGroups
	uses    uint64
}

// shapeGroups is one shape's groups. A node's verdict holds until the node changes; which nodes have changed is read off
// the snapshot's list, so a look at them costs only those.
type shapeGroups struct {
	shape   *shape
	clock   uint64             // the snapshot's clock up to which the verdicts are right
	rows    []*group           // the group of each slot
	groups  []*group           // those with members
	index   map[outcome]*group // the same, by verdict
	alone   alone
	lastUse uint64
	// failed is the decision that no pod of the shape fits anywhere, or can make room, as of failedAt; nil where there was
	// none. Many pods alike may wait, and all of them are woken by what helps one.
	failed   *Decision
	failedAt uint64
}

// outcome is a verdict as a key: nodes of equal outcome are one group.
type outcome struct {
	rejection string
	raws      raws
	facts     string
}

// view is all nodes, grouped by what they say to the pod's shape.
func (t *shapeCache) view(p *Profile, snapshot *Snapshot, pod *corev1.Pod) view {
	if s := newPinned(p, snapshot, pod); s != nil {
		return view{shape: s, groups: pinnedGroups(p, s, snapshot), snapshot: snapshot}
	}
	key := shapeKey(p, snapshot, pod)
	found, ok := t.byShape[key]
	if !ok {
		found = &shapeGroups{shape: newShape(p, snapshot, pod)}
		t.remember(key, found)
	}
	t.uses++
	found.lastUse = t.uses
	found.update(p, snapshot)
	return view{found.shape, found.groups, found.alone, found, snapshot}
}

// shapeOf is the pod's shape: the same value for pods of one shape, as long as it is remembered.
func (t *shapeCache) shapeOf(p *Profile, snapshot *Snapshot, pod *corev1.Pod) *shape {
	if found, ok := t.byShape[shapeKey(p, snapshot, pod)]; ok {
		return found.shape
	}
	return newShape(p, snapshot, pod)
}

func (t *shapeCache) remember(key string, new *shapeGroups) {
	if t.byShape == nil {
		t.byShape = map[string]*shapeGroups{}
	}
	if len(t.byShape) >= maxShapes {
		oldest := ""
		for k, groups := range t.byShape {
			if oldest == "" || groups.lastUse < t.byShape[oldest].lastUse {
				oldest = k
			}
		}
		delete(t.byShape, oldest)
	}
	t.byShape[key] = new
}

// update asks the nodes that changed since the last time; all of them where nodes came, went or changed their labels.
func (t *shapeGroups) update(p *Profile, snapshot *Snapshot) {
	nodes := snapshot.Nodes()
	if t.rows == nil || snapshot.epoch > t.clock {
		t.rows, t.groups, t.index = make([]*group, len(nodes)), nil, map[outcome]*group{}
		t.alone = standAlone(p, t.shape, snapshot)
		for _, n := range nodes {
			t.place(p, n)
		}
	} else {
		for n := snapshot.changed.older; n != &snapshot.changed && n.generation > t.clock; n = n.older {
			t.place(p, n)
		}
	}
	t.clock = snapshot.clock
}

// place moves the node to the group of its verdict.
func (t *shapeGroups) place(p *Profile, n *NodeInfo) {
	v := judge(p, t.shape, n, t.alone, "")
	key := v.outcome()
	to, ok := t.index[key]
	if !ok {
		to = &group{verdict: v, members: newNodeSet(len(t.rows))}
		t.index[key] = to
		t.groups = append(t.groups, to)
	}
	from := t.rows[n.slot]
	if from == to {
		return
	}
	t.rows[n.slot] = to
	to.members.add(n.slot)
	to.size++
	if from == nil {
		return
	}
	from.members.remove(n.slot)
	if from.size--; from.size == 0 {
		t.drop(from)
	}
}

func (t *shapeGroups) drop(empty *group) {
	delete(t.index, empty.outcome())
	for i, g := range t.groups {
		if g == empty {
			last := len(t.groups) - 1
			t.groups[i] = t.groups[last]
			t.groups = t.groups[:last]
			return
		}
	}
}

func (v *verdict) outcome() outcome {
	var space [64]byte
	b := v.facts.append(space[:0])
	if v.crowd != nil {
		b = v.crowd.facts.append(b)
	}
	return outcome{rejection: v.rejection.key(), raws: v.raws, facts: string(b)}
}

// newPinned is the shape of a pod for named nodes, such as a DaemonSet's; nil for other pods, and where the nodes not
// named matter because constraints or affinity count their pods. Each such pod has a shape of its own, so it is not
// remembered, and need not be: only the named nodes are asked.
func newPinned(p *Profile, snapshot *Snapshot, pod *corev1.Pod) *shape {
	if len(pod.Spec.TopologySpreadConstraints) > 0 || !p.SystemSpread || pod.Spec.NodeName == "" && pins(pod) == nil {
		return nil
	}
	if s := newShape(p, snapshot, pod); s.pins != nil && len(s.affinity.tallies) == 0 {
		return s
	}
	return nil
}

func pinnedGroups(p *Profile, s *shape, snapshot *Snapshot) []*group {
	nodes := snapshot.Nodes()
	others := &group{verdict: verdict{rejection: s.notPinned()}, size: len(nodes)}
	for _, c := range p.comparisons {
		if c.keys != nil {
			others.facts[c.place] = make([]fact, len(c.keys(s))) // their pods count for nothing
		}
	}
	if s.refused != nil {
		others.rejection = s.refused
	}
	groups := []*group{others}
	for name := range s.pins {
		n, ok := snapshot.nodes[name]
		if !ok || n.Node == nil {
			continue
		}
		g := &group{verdict: judge(p, s, n, alone{}, ""), size: 1, members: newNodeSet(len(nodes))}
		g.members.add(n.slot)
		groups = append(groups, g)
		others.size--
	}
	return groups
}

// nodeSet is a set of nodes, one bit for each slot of the snapshot.
type nodeSet []uint64

func newNodeSet(nodes int) nodeSet { return make(nodeSet, (nodes+63)/64) }

func (s nodeSet) add(slot int)    { s[slot/64] |= 1 << (slot % 64) }
func (s nodeSet) remove(slot int) { s[slot/64] &^= 1 << (slot % 64) }

func (s nodeSet) has(slot int) bool {
	return slot/64 < len(s) && s[slot/64]&(1<<(slot%64)) != 0
}

func (s nodeSet) count() int {
	count := 0
	for _, word := range s {
		count += bits.OnesCount64(word)
	}
	return count
}

// nth is the member that has n members before it.
func (s nodeSet) nth(n int) int {
	for i, word := range s {
		ones := bits.OnesCount64(word)
		if n >= ones {
			n -= ones
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1
		}
		return i*64 + bits.TrailingZeros64(word)
	}
	return -1
}

// all yields the members in ascending order.
func (s nodeSet) all(yield func(slot int) bool) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			if !yield(i*64 + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}

func union(groups []*group, which []int) nodeSet {
	all := slices.Clone(groups[which[0]].members)
	for _, g := range which[1:] {
		for i, word := range groups[g].members {
			all[i] |= word
		}
	}
	return all
}
