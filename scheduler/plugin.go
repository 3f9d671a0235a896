package scheduler

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// maxScore is the best a node can get from one plugin, before the plugin's weight.
const maxScore = 100

// normalization is how a plugin's raw scores become scores from 0 to maxScore, once all feasible nodes have theirs.
type normalization int

const (
	asIs       normalization = iota // raw scores are in range already
	toMost                          // the highest raw score becomes maxScore
	toLeast                         // a raw score of 0 becomes maxScore, the highest becomes 0
	bySpread                        // PodTopologySpread looks at all nodes at once: see podtopologyspread.go
	byAffinity                      // InterPodAffinity does as well: see interpodaffinity.go
	byImages                        // ImageLocality looks at how many nodes have an image: see imagelocality.go
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

// Rejection is a filter's no to one node.
type Rejection struct {
	// Plugin is the filter's name.
	Plugin string `json:"plugin"`
	// Reasons are in upstream's words; a node that lacks two resources has two.
	Reasons []string `json:"reasons"`
	// Unresolvable: evicting pods from the node would not help.
	Unresolvable bool `json:"unresolvable,omitempty"`
	// OfPod: the no is to the pod, whatever the node; upstream's message counts no nodes then.
	OfPod bool `json:"ofPod,omitempty"`
}

// key tells rejections apart.
func (r *Rejection) key() string {
	if r == nil {
		return ""
	}
	resolvable := "+"
	if r.Unresolvable {
		resolvable = "-"
	}
	return r.Plugin + resolvable + strings.Join(r.Reasons, "\n")
}

// filter is one row of the table of filters: a plugin's name, its question to one node, and the changes to the
// cluster that can turn its no into a yes.
type filter struct {
	name  string
	check func(*shape, *NodeInfo) *Rejection // nil for a plugin that asks about all nodes at once
	helps Change
	// hint looks closer at a pod that came, went or changed; nil where each may help.
	hint func(*shape, Change, *corev1.Pod) bool
}

// compares reports whether the plugin judges a node by others: then a change at one node may help at another.
func (f *filter) compares() bool { return f.check == nil }

// filters are asked in this order, upstream's, and the first no counts.
func filters() []filter {
	return []filter{
		{name: NodeUnschedulable, check: checkNodeUnschedulable, helps: nodeAdded | nodeTaints},
		{name: NodeName, check: checkNodeName, helps: nodeAdded},
		{name: TaintToleration, check: checkTaintToleration, helps: nodeAdded | nodeTaints},
		{name: NodeAffinity, check: checkNodeAffinity, helps: nodeAdded | nodeLabels},
		{name: NodePorts, check: checkNodePorts, helps: nodeAdded | podRemoved},
		{name: NodeResourcesFit, check: checkNodeResourcesFit, helps: nodeAdded | nodeAllocatable | podRemoved},
		{name: VolumeRestrictions, check: checkVolumeRestrictions, helps: nodeAdded | podRemoved | volumesChanged},
		{name: VolumeBinding, check: checkVolumeBinding, helps: nodeAdded | nodeLabels | volumesChanged},
		{
			name:  PodTopologySpread,
			helps: nodeAdded | nodeRemoved | nodeLabels | nodeTaints | podRemoved | podPlaced,
			hint:  hintSpread,
		},
		{
			name:  InterPodAffinity,
			helps: nodeAdded | nodeRemoved | nodeLabels | podRemoved | podPlaced | namespacesLabelled,
			hint:  hintAffinity,
		},
	}
}

func reject(plugin string, unresolvable bool, reasons ...string) *Rejection {
	return &Rejection{Plugin: plugin, Reasons: reasons, Unresolvable: unresolvable}
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
