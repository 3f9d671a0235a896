package scheduler

import (
	corev1 "k8s.io/api/core/v1"
)

// maxTables bounds the shapes that are remembered. A table takes about 10 bytes for each node, and 1 bit for each
// node and group.
const maxTables = 64

// tables remember for the shapes seen last what every node says to them, grouped by verdict.
type tables struct {
	byShape map[string]*table
	uses    uint64
}

// table is one shape's groups. A node's verdict holds until the node changes; which nodes have changed is read off
// the snapshot's list, so a look at the table costs only those.
type table struct {
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
func (t *tables) view(p *Profile, snapshot *Snapshot, pod *corev1.Pod) view {
	if s := newPinned(p, snapshot, pod); s != nil {
		return view{shape: s, groups: pinnedGroups(p, s, snapshot), snapshot: snapshot}
	}
	key := shapeKey(p, snapshot, pod)
	found, ok := t.byShape[key]
	if !ok {
		found = &table{shape: newShape(p, snapshot, pod)}
		t.remember(key, found)
	}
	t.uses++
	found.lastUse = t.uses
	found.update(p, snapshot)
	return view{found.shape, found.groups, found.alone, found, snapshot}
}

// shapeOf is the pod's shape: the same value for pods of one shape, as long as it is remembered.
func (t *tables) shapeOf(p *Profile, snapshot *Snapshot, pod *corev1.Pod) *shape {
	if found, ok := t.byShape[shapeKey(p, snapshot, pod)]; ok {
		return found.shape
	}
	return newShape(p, snapshot, pod)
}

func (t *tables) remember(key string, new *table) {
	if t.byShape == nil {
		t.byShape = map[string]*table{}
	}
	if len(t.byShape) >= maxTables {
		oldest := ""
		for k, table := range t.byShape {
			if oldest == "" || table.lastUse < t.byShape[oldest].lastUse {
				oldest = k
			}
		}
		delete(t.byShape, oldest)
	}
	t.byShape[key] = new
}

// update asks the nodes that changed since the last time; all of them where nodes came, went or changed their labels.
func (t *table) update(p *Profile, snapshot *Snapshot) {
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
func (t *table) place(p *Profile, n *NodeInfo) {
	v := judge(p, t.shape, n, t.alone, "")
	key := v.outcome()
	to, ok := t.index[key]
	if !ok {
		to = &group{verdict: v, members: newSlots(len(t.rows))}
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

func (t *table) drop(empty *group) {
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
	if !p.Filters[NodeAffinity] || len(pod.Spec.TopologySpreadConstraints) > 0 || !p.SystemSpread || pins(pod) == nil {
		return nil
	}
	if s := newShape(p, snapshot, pod); len(s.affinity.tallies) == 0 {
		return s
	}
	return nil
}

func pinnedGroups(p *Profile, s *shape, snapshot *Snapshot) []*group {
	nodes := snapshot.Nodes()
	others := &group{verdict: verdict{rejection: notPinned()}, size: len(nodes)}
	for _, c := range p.comparisons {
		if c.keys != nil {
			others.facts[c.place] = make([]fact, len(c.keys(s))) // their pods count for nothing
		}
	}
	if s.volumes.refused != nil {
		others.rejection = s.volumes.refused
	}
	groups := []*group{others}
	for name := range s.pins {
		n, ok := snapshot.nodes[name]
		if !ok || n.Node == nil {
			continue
		}
		g := &group{verdict: judge(p, s, n, alone{}, ""), size: 1, members: newSlots(len(nodes))}
		g.members.add(n.slot)
		groups = append(groups, g)
		others.size--
	}
	return groups
}
