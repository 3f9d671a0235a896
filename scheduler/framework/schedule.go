package framework

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Decision is where a pod goes, and why.
type Decision struct {
	// Node is the winner's name; empty where the pod fits nowhere.
	Node string
	// Nodes is how many there are, Feasible how many passed all filters, Tied how many of these shared the best score.
	// Of those the pod's UID picks one.
	Nodes, Feasible, Tied int
	// Best are the winner and the next best, at most bestCount, highest score first.
	Best []NodeScore
	// Rejections count the nodes by what was wrong with them, most nodes first.
	Rejections []RejectionCount
	// Message says in upstream's words why the pod fits nowhere; empty where it fits.
	Message string
	// Nominated: the winner is the node that the pod was nominated for, and no other was asked to score.
	Nominated bool
	// Preemption is how to make room for a pod that fits nowhere; nil where there is no way.
	Preemption *Preemption
	// Withdrawn: no room can be made any more on the node that the pod was nominated for.
	Withdrawn bool

	// evenSo are the plugins that reject a node even without the pods that could be evicted from it.
	evenSo []string
	// candidates are the preemptions that Preemption was chosen from.
	candidates []*Preemption
}

// NodeScore is a node with its weighted sum of scores.
type NodeScore struct {
	Node  string `json:"node"`
	Score int64  `json:"score"`
}

// RejectionCount is how many nodes were rejected alike.
type RejectionCount struct {
	Rejection
	Nodes int
}

// bestCount bounds Decision.Best.
const bestCount = 5

// Reason is the decision as one sentence.
func (d Decision) Reason() string {
	switch {
	case d.Preemption != nil:
		because, _, _ := strings.Cut(d.Message, foundPlacement) // which says less than what follows
		return because + " The pod " + d.Preemption.Reason()
	case d.Node == "":
		return d.Message
	case d.Nominated:
		return d.Node + " has the room that was made for the pod"
	}
	sentence := fmt.Sprintf("%s scores %d, %d of %d nodes fit", d.Node, d.Best[0].Score, d.Feasible, d.Nodes)
	switch {
	case d.Tied > 1:
		sentence += fmt.Sprintf(", %d share the best score", d.Tied)
	case len(d.Best) > 1:
		sentence += fmt.Sprintf(", next is %s with %d", d.Best[1].Node, d.Best[1].Score)
	}
	return sentence
}

// Plugins are those that keep the pod waiting: the filters that rejected nodes, and those that would do so even after
// evictions. Whichever node it is, one of them says no, and only a change that its plugin listens to can help there.
func (d Decision) Plugins() []string {
	var plugins []string
	for _, r := range d.Rejections {
		plugins = with(plugins, r.Plugin)
	}
	for _, plugin := range d.evenSo {
		plugins = with(plugins, plugin)
	}
	return plugins
}

func with(plugins []string, plugin string) []string {
	if slices.Contains(plugins, plugin) {
		return plugins
	}
	return append(plugins, plugin)
}

// Schedule decides where the pod goes. The answer depends on nothing but the three values; the snapshot remembers
// what was worked out, so that the next pod of the same shape costs only the nodes that changed in between.
func Schedule(p *Profile, snapshot *Snapshot, pod *corev1.Pod) Decision {
	d := decider{view: snapshot.shapes.view(p, snapshot, pod), profile: p, nodes: snapshot.Nodes(), pod: pod}
	_, nominated := snapshot.nominations[pod.UID]
	alike := d.groupsOfShape != nil && !nominated
	if alike && d.groupsOfShape.failed != nil && d.groupsOfShape.failedAt == snapshot.clock {
		return *d.groupsOfShape.failed
	}
	d.separate()
	made := d.decide(rank(p, d.view))
	if alike && made.Node == "" && made.Preemption == nil {
		d.groupsOfShape.failed, d.groupsOfShape.failedAt = &made, snapshot.clock
	}
	return made
}

// verdict is what one node says to a pod's shape, looking at itself alone.
type verdict struct {
	rejection *Rejection
	raws      raws // zero where rejected
	facts     facts
	// crowd is what the node would say with the pods on it that are nominated for it, where filters compare nodes; nil
	// where none is. Filters that look at one node have been asked for it.
	crowd *verdict
}

// view is all nodes as a pod sees them.
type view struct {
	shape         *shape
	groups        []*group
	alone         alone
	groupsOfShape *shapeGroups // nil for a shape that is not remembered

	snapshot *Snapshot
}

// group is all nodes with the same verdict. Whatever is decided by comparing nodes is decided by comparing groups.
type group struct {
	verdict
	size    int
	members nodeSet
}

// standing is what becomes of a group once all have been compared. Normalized scores are set where it is not
// rejected.
type standing struct {
	rejection *Rejection
	raws      raws
	scores    raws
	total     int64 // the weighted sum of scores
}

// judge asks the node everything that it can answer alone: the filters in order until one says no, then the raw
// scores. Pods nominated for the node, other than uid, take their room there if they do not come after the pod.
func judge(p *Profile, s *shape, n *NodeInfo, alone alone, uid types.UID) verdict {
	v := verdict{facts: p.factsOf(s, n, alone)}
	if crowd := n.crowded(s.priority, uid); crowd != nil {
		v.rejection = firstRejection(p, s, crowd)
		if s.compares {
			v.crowd = &verdict{facts: p.factsOf(s, crowd, alone)}
		}
	}
	if v.rejection == nil {
		v.rejection = firstRejection(p, s, n)
	}
	if v.rejection != nil {
		return v
	}
	for _, c := range p.comparisons {
		if c.feasibleOnly {
			v.facts[c.place] = c.facts(s, n, alone[c.place])
		}
	}
	for i := range p.scores {
		if row := &p.scores[i]; row.weight > 0 && row.score != nil {
			v.raws[i] = row.score(p, s, n)
		}
	}
	return v
}

func firstRejection(p *Profile, s *shape, n *NodeInfo) *Rejection {
	if s.refused != nil {
		return s.refused
	}
	if s.pins != nil && !s.pins.Has(n.Node.Name) {
		return s.notPinned()
	}
	for i := range p.filters {
		if p.filters[i].check == nil {
			continue
		}
		if r := p.filters[i].check(s, n); r != nil {
			return r
		}
	}
	return nil
}

// rank compares the groups: last of the filters, those that compare nodes; then the scores, normalized
// over all that are left.
func rank(p *Profile, v view) []standing {
	s, groups := v.shape, v.groups
	standings := make([]standing, len(groups))
	for g, group := range groups {
		standings[g] = standing{rejection: group.rejection, raws: group.raws, scores: group.raws}
	}
	compare(p, s, groups, standings, [factsPlaces]bool{})
	for g, group := range groups {
		if group.crowd == nil || group.size == 0 || group.rejection != nil {
			continue
		}
		if r := newDryRun(p, v, g, "").compare(*group.crowd); r != nil { // upstream asks for the crowd first
			standings[g].rejection = r
		}
	}
	for i := range p.scores {
		if p.scores[i].weight == 0 {
			continue
		}
		if p.scores[i].normalize != nil {
			p.scores[i].normalize(v, standings, i)
		}
		for g := range standings {
			standings[g].total += p.scores[i].weight * standings[g].scores[i]
		}
	}
	return standings
}

// compare asks the filters that compare nodes.
func compare(p *Profile, s *shape, groups []*group, standings []standing, skipped [factsPlaces]bool) {
	for i := range p.filters {
		if c := p.filters[i].compares; p.filters[i].comparesAll() && !skipped[c.place] {
			c.filter(s, groups, standings)
		}
	}
}

// decider is all that a decision is made from.
type decider struct {
	view
	profile *Profile
	nodes   []*NodeInfo
	pod     *corev1.Pod
}

// decide picks the winner among the best, and counts. A pod that was nominated for a node goes there if it can.
func (d *decider) decide(standings []standing) Decision {
	groups, nodes := d.groups, d.nodes
	if n := d.nominatedNode(); n != nil && standings[d.groupOf(n.slot)].rejection == nil {
		return Decision{
			Node: n.Node.Name, Nodes: len(nodes), Feasible: 1, Tied: 1, Best: []NodeScore{{Node: n.Node.Name}}, Nominated: true,
		}
	}
	made := Decision{Nodes: len(nodes), Rejections: countRejections(groups, standings)}
	order := make([]int, 0, len(groups)) // the groups that fit, best first
	for g, group := range groups {
		if group.size > 0 && standings[g].rejection == nil {
			order = append(order, g)
			made.Feasible += group.size
		}
	}
	if len(order) == 0 {
		d.explainFailure(&made, standings)
		return made
	}
	d.choose(&made, order, standings)
	return made
}

// nominatedNode is where the pod was nominated; nil where it was not, or the node is gone.
func (d *decider) nominatedNode() *NodeInfo {
	return d.snapshot.Node(d.snapshot.nominations[d.pod.UID])
}

// separate makes the node that the pod was nominated for a group by itself: there the pod is not its own rival, which
// it is for other pods of its shape.
func (d *decider) separate() {
	n := d.nominatedNode()
	if n == nil {
		return
	}
	at := d.groupOf(n.slot)
	rest := *d.groups[at]
	rest.members, rest.size = slices.Clone(rest.members), rest.size-1
	if rest.members.has(n.slot) {
		rest.members.remove(n.slot)
	}
	own := &group{
		verdict: judge(d.profile, d.shape.askedOf(n), n, d.alone, d.pod.UID), size: 1, members: newNodeSet(len(d.nodes)),
	}
	own.members.add(n.slot)
	d.groups = slices.Clone(d.groups)
	if rest.size == 0 {
		d.groups[at] = own
		return
	}
	d.groups[at] = &rest
	d.groups = append(d.groups, own)
}

// dryRun asks the node again with other pods.
func (d *decider) dryRun(n *NodeInfo) *dryRun {
	return newDryRun(d.profile, d.view, d.groupOf(n.slot), d.pod.UID)
}

// groupOf finds the node's group; of a pod for named nodes, all others are in the first, which names no members.
func (d *decider) groupOf(slot int) int {
	return max(0, slices.IndexFunc(d.groups, func(g *group) bool { return g.members.has(slot) }))
}

// choose picks the winner among the groups that fit, and the next best.
func (d *decider) choose(made *Decision, order []int, standings []standing) {
	slices.SortFunc(order, func(a, b int) int { return int(standings[b].total - standings[a].total) })

	winner := -1
	for len(order) > 0 && len(made.Best) < bestCount {
		score := standings[order[0]].total
		equals := 1
		for equals < len(order) && standings[order[equals]].total == score {
			equals++
		}
		tied := union(d.groups, order[:equals])
		if winner < 0 {
			made.Tied = tied.count()
			winner = tied.nth(int(hash(d.pod.UID) % uint64(made.Tied)))
			made.Node = d.nodes[winner].Node.Name
			made.Best = append(made.Best, NodeScore{made.Node, score})
		}
		for slot := range tied.all {
			if len(made.Best) == bestCount {
				break
			}
			if slot != winner {
				made.Best = append(made.Best, NodeScore{d.nodes[slot].Node.Name, score})
			}
		}
		order = order[equals:]
	}
}

func countRejections(groups []*group, standings []standing) []RejectionCount {
	counts := map[string]*RejectionCount{}
	for g, group := range groups {
		r := standings[g].rejection
		if r == nil || group.size == 0 {
			continue
		}
		key := r.key()
		if counts[key] == nil {
			counts[key] = &RejectionCount{Rejection: *r}
		}
		counts[key].Nodes += group.size
	}
	var all []RejectionCount
	for _, count := range counts {
		all = append(all, *count)
	}
	slices.SortFunc(all, func(a, b RejectionCount) int {
		if a.Nodes != b.Nodes {
			return b.Nodes - a.Nodes
		}
		return strings.Compare(a.key(), b.key())
	})
	return all
}

// hash spreads pods over nodes that are equally good, by the pod's UID, so that a decision can be repeated.
func hash(uid types.UID) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid)) // never fails
	n := h.Sum64()
	return n ^ n>>32
}
