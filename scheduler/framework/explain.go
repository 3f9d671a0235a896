package framework

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Explanation is a decision with everything that led to it.
type Explanation struct {
	Decision Decision
	// Nodes are all nodes by name.
	Nodes []NodeExplanation
}

// NodeExplanation is one node's line of the table.
type NodeExplanation struct {
	Node string `json:"node"`
	// Rejections are the filters that say no, in order. The first is the one that counts: upstream asks no further.
	Rejections []Rejection `json:"rejections,omitempty"`
	// Scores are by plugin, in order; nil where the node was rejected. Total is their weighted sum.
	Scores []PluginScore `json:"scores,omitempty"`
	Total  int64         `json:"total,omitempty"`
}

// PluginScore is what one plugin makes of a node: Score is Raw brought to the range from 0 to 100.
type PluginScore struct {
	Plugin string `json:"plugin"`
	Raw    int64  `json:"-"`
	Score  int64  `json:"score"`
	Weight int64  `json:"weight"`
}

// Explain decides as Schedule does, asking every filter of every node, and keeps all answers.
func Explain(p *Profile, snapshot *Snapshot, pod *corev1.Pod) Explanation {
	return ExplainWith(p, snapshot, pod, nil)
}

// ExplainWith decides with what extenders said; nil where none was asked.
func ExplainWith(p *Profile, snapshot *Snapshot, pod *corev1.Pod, said *Opinions) Explanation {
	s, nodes := newShape(p, snapshot, pod), snapshot.Nodes()
	groups := make([]*group, len(nodes)) // each node by itself
	for i, n := range nodes {
		asked := s
		if n.Node.Name == snapshot.nominations[pod.UID] {
			asked = s.askedOf(n)
		}
		groups[i] = &group{verdict: judge(p, asked, n, alone{}, pod.UID), size: 1, members: newNodeSet(len(nodes))}
		groups[i].members.add(i)
	}
	d := decider{view: view{shape: s, groups: groups, snapshot: snapshot}, profile: p, nodes: nodes, pod: pod}
	standings := rank(p, d.view)
	if said != nil {
		said.apply(nodes, standings)
	}
	e := Explanation{Decision: d.decide(standings)}
	for i, n := range nodes {
		e.Nodes = append(e.Nodes, explainNode(p, s, n, standings[i]))
	}
	return e
}

func explainNode(p *Profile, s *shape, n *NodeInfo, st standing) NodeExplanation {
	e := NodeExplanation{Node: n.Node.Name}
	if st.rejection != nil {
		e.Rejections = append(e.Rejections, *st.rejection)
		for i := range p.filters {
			if p.filters[i].check == nil || p.filters[i].name == st.rejection.Plugin {
				continue
			}
			if r := p.filters[i].check(s, n); r != nil {
				e.Rejections = append(e.Rejections, *r)
			}
		}
		return e
	}
	e.Total = st.total
	for i, row := range p.scores {
		if row.weight > 0 {
			e.Scores = append(e.Scores, PluginScore{row.name, st.raws[i], st.scores[i], row.weight})
		}
	}
	return e
}

// Extender is the name under which extenders reject. Whatever happens may change their mind.
const Extender = "Extender"

// Opinions are what extenders say of the nodes that they were asked about, by the nodes' names.
type Opinions struct {
	Asked    map[string]bool
	Rejected map[string]*Rejection
	// Scores are added to the plugins' weighted sum.
	Scores map[string]int64
}

// apply lets the opinions count: a node that was not asked about is none yet, and scores add up.
func (o *Opinions) apply(nodes []*NodeInfo, standings []standing) {
	for i, n := range nodes {
		st, name := &standings[i], n.Node.Name
		switch {
		case st.rejection != nil:
		case o.Rejected[name] != nil:
			st.rejection = o.Rejected[name]
		case !o.Asked[name]:
			st.rejection = reject(Extender, false, "node(s) changed while extenders were asked")
		default:
			st.total += o.Scores[name]
		}
	}
}

// explainFailure says why the pod fits nowhere, as upstream does: "0/3 nodes are available: 1 Too many pods, 2
// Insufficient cpu." Then it tries to make room, and adds why that does not help, where it does not.
func (d *decider) explainFailure(made *Decision, standings []standing) {
	if made.Nodes == 0 {
		made.Message = "no nodes available to schedule pods"
		return
	}
	reasons := map[string]int{}
	for _, r := range made.Rejections {
		for _, reason := range r.Reasons {
			reasons[reason] += r.Nodes
		}
	}
	made.Message = histogram(made.Nodes, reasons)
	if r := d.shape.refused; r != nil {
		made.Message = fmt.Sprintf("0/%d nodes are available: %s.", made.Nodes, r.Reasons[0])
	}
	for _, postFilter := range d.profile.postFilters {
		*made = postFilter(*d, *made, standings)
	}
}

func histogram(nodes int, reasons map[string]int) string {
	var parts []string
	for reason, count := range reasons {
		if count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count, reason))
		}
	}
	slices.Sort(parts)
	return fmt.Sprintf("0/%d nodes are available: %s.", nodes, strings.Join(parts, ", "))
}
