package scheduler

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
	if d.Node == "" {
		return d.Message
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

// Plugins are the filters that rejected nodes.
func (d Decision) Plugins() []string {
	var plugins []string
	for _, r := range d.Rejections {
		if !slices.Contains(plugins, r.Plugin) {
			plugins = append(plugins, r.Plugin)
		}
	}
	return plugins
}

// Schedule decides where the pod goes. The answer depends on nothing but the three values; the snapshot remembers
// what was worked out, so that the next pod of the same shape costs only the nodes that changed in between.
func Schedule(p *Profile, snapshot *Snapshot, pod *corev1.Pod) Decision {
	s, groups := snapshot.tables.groups(p, snapshot, pod)
	return decide(p, s, snapshot, groups, rank(p, s, groups), pod.UID)
}

// verdict is what one node says to a pod's shape, looking at itself alone.
type verdict struct {
	rejection *Rejection
	raws      raws // zero where rejected
	facts     []fact
}

// group is all nodes with the same verdict. Whatever is decided by comparing nodes is decided by comparing groups.
type group struct {
	verdict
	size    int
	members slots
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
// scores.
func judge(p *Profile, s *shape, n *NodeInfo, alone []bool) verdict {
	v := verdict{facts: factsOf(s, n, alone)}
	if v.rejection = firstRejection(p, s, n); v.rejection != nil {
		return v
	}
	for i := range p.scores {
		if row := &p.scores[i]; row.weight > 0 && row.raw != nil {
			v.raws[i] = row.raw(p, s, n)
		}
	}
	return v
}

func firstRejection(p *Profile, s *shape, n *NodeInfo) *Rejection {
	if p.Filters[NodeAffinity] && s.pins != nil && !s.pins.Has(n.Node.Name) {
		return notPinned()
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

// notPinned rejects the nodes that a pod for named nodes does not name. Upstream does not even ask them.
func notPinned() *Rejection {
	return reject(NodeAffinity, true, "node(s) didn't satisfy plugin(s) [NodeAffinity]")
}

// rank compares the groups: last of the filters, PodTopologySpread; then the scores, normalized over all that are
// left.
func rank(p *Profile, s *shape, groups []*group) []standing {
	standings := make([]standing, len(groups))
	for g, group := range groups {
		standings[g] = standing{rejection: group.rejection, raws: group.raws, scores: group.raws}
	}
	if p.Filters[PodTopologySpread] {
		filterSpread(&s.spread, groups, standings)
	}
	for i := range p.scores {
		if p.scores[i].weight == 0 {
			continue
		}
		switch p.scores[i].normalize {
		case toMost, toLeast:
			normalize(standings, i, p.scores[i].normalize == toLeast)
		case bySpread:
			scoreSpread(&s.spread, groups, standings, i)
		}
		for g := range standings {
			standings[g].total += p.scores[i].weight * standings[g].scores[i]
		}
	}
	return standings
}

func normalize(standings []standing, at int, reverse bool) {
	var most int64
	for g := range standings {
		if standings[g].rejection == nil {
			most = max(most, standings[g].raws[at])
		}
	}
	for g := range standings {
		score := &standings[g].scores[at]
		if most > 0 {
			*score = maxScore * standings[g].raws[at] / most
		}
		if reverse {
			*score = maxScore - *score
		}
	}
}

// decide picks the winner among the best, and counts.
func decide(p *Profile, s *shape, snapshot *Snapshot, groups []*group, standings []standing, uid types.UID) Decision {
	nodes := snapshot.Nodes()
	d := Decision{Nodes: len(nodes)}
	order := make([]int, 0, len(groups)) // the groups that fit, best first
	for g, group := range groups {
		if group.size > 0 && standings[g].rejection == nil {
			order = append(order, g)
			d.Feasible += group.size
		}
	}
	d.Rejections = countRejections(groups, standings)
	if len(order) == 0 {
		d.Message = message(s, snapshot, groups, standings, d)
		return d
	}
	slices.SortFunc(order, func(a, b int) int { return int(standings[b].total - standings[a].total) })

	winner := -1
	for len(order) > 0 && len(d.Best) < bestCount {
		score := standings[order[0]].total
		equals := 1
		for equals < len(order) && standings[order[equals]].total == score {
			equals++
		}
		tied := union(groups, order[:equals])
		if winner < 0 {
			d.Tied = tied.count()
			winner = tied.nth(int(hash(uid) % uint64(d.Tied)))
			d.Node = nodes[winner].Node.Name
			d.Best = append(d.Best, NodeScore{d.Node, score})
		}
		for slot := range tied.all {
			if len(d.Best) == bestCount {
				break
			}
			if slot != winner {
				d.Best = append(d.Best, NodeScore{nodes[slot].Node.Name, score})
			}
		}
		order = order[equals:]
	}
	return d
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
