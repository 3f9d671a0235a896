package framework

import (
	"encoding/binary"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// plugin is one row of the table: all that a plugin does. What it does not do is nil. It stands at the top of the file
// that has the plugin's name.
type plugin struct {
	name string

	// reads are the fields of a pod that the plugin reads. Whatever they say is part of the pod's shape, so that pods of
	// one shape get one answer. key adds it to the shape's key, unless another row does so for a field that both read;
	// clusterKey adds what the cluster says to it. (shape_test.go finds a field that is read and in no key.)
	reads      []string
	key        func(b []byte, p *Profile, pod *corev1.Pod) []byte
	clusterKey func(b []byte, p *Profile, snapshot *Snapshot, pod *corev1.Pod) []byte
	// prepare reads the fields into the shape, once for all nodes. (Upstream's PreFilter and PreScore.)
	prepare func(s *shape, p *Profile, snapshot *Snapshot, pod *corev1.Pod)

	// check is the filter of a plugin that judges a node by itself; compares that of one that judges it by others.
	check    func(*shape, *NodeInfo) *Rejection
	compares *comparison
	// helps are the changes of the cluster that can turn the filter's no into a yes. hint looks closer at a pod that came,
	// went or changed; nil where each may help. (Upstream's EventsToRegister and its queueing hints.)
	helps Change
	hint  func(*shape, Change, *corev1.Pod) bool

	// weight is what the plugin's scores are multiplied by, upstream's default; 0 for one that does not score.
	weight int64
	// score is the raw score of a node by itself. normalize brings the raw scores of all feasible nodes, which are at this
	// index, to the range from 0 to MaxScore; nil where they are in it.
	score     func(*Profile, *shape, *NodeInfo) int64
	normalize func(v view, standings []standing, at int)

	// postFilter looks for a way where no node is left: the decision with what it found, or why there is none.
	postFilter func(d decider, made Decision, standings []standing) Decision
}

// comparison is how a plugin judges a node by others, in two steps: each node states facts, which is remembered of it; then
// the facts of all groups of nodes together give the verdicts, and in the row's normalize the scores.
type comparison struct {
	place factsPlace
	// keys are the labels of nodes by whose values the facts are added up, one for each fact; nil where none is.
	keys func(*shape) []string
	// facts are what one node states. alone says of which keys no two nodes have the same value; nil is of none.
	facts func(s *shape, n *NodeInfo, alone []bool) []fact
	// feasibleOnly: nodes that a filter rejects by themselves do not count, and state nothing.
	feasibleOnly bool
	// skips: nobody counts for the filter as things are. Then it is not asked about pods either that are not there yet, as upstream
	// does not; nil where it always is.
	skips func(s *shape, groups []*group) bool
	// filter rejects groups.
	filter func(s *shape, groups []*group, standings []standing)
}

// factsPlace is where a node's facts for one plugin are.
type factsPlace int

const (
	podTopologySpreadFacts factsPlace = iota
	interPodAffinityFacts
	imageLocalityFacts
	factsPlaces
)

// plugins is the table. Filters are asked in this order, upstream's, and the first no counts.
func plugins() []plugin {
	return []plugin{
		nodeNameRow,
		nodeUnschedulableRow,
		taintTolerationRow,
		nodeAffinityRow,
		nodePortsRow,
		nodeResourcesFitRow,
		nodeResourcesBalancedAllocationRow,
		volumeRestrictionsRow,
		volumeBindingRow,
		volumeZoneRow,
		podTopologySpreadRow,
		interPodAffinityRow,
		imageLocalityRow,
		defaultPreemptionRow,
	}
}

// scoreCount is how many of them score.
const scoreCount = 7

// MaxScore is the best that a node can get from one plugin, before the plugin's weight.
const MaxScore = 100

// raws are one node's raw scores, in the order of the table.
type raws [scoreCount]int64

// filters reports whether the plugin may reject nodes.
func (row *plugin) filters() bool { return row.check != nil || row.comparesAll() }

// comparesAll reports whether the plugin rejects a node because of others: then a change at one node may help at another.
func (row *plugin) comparesAll() bool { return row.compares != nil && row.compares.filter != nil }

// ExtensionPoints is where a plugin acts.
type ExtensionPoints struct {
	Filter, PostFilter bool
	// Weight is what its scores are multiplied by, if the configuration says no other; 0 for a plugin that does not score.
	Weight int64
}

// Plugins are all plugins by name.
func Plugins() map[string]ExtensionPoints {
	all := map[string]ExtensionPoints{}
	for _, row := range plugins() {
		all[row.name] = ExtensionPoints{row.filters(), row.postFilter != nil, row.weight}
	}
	return all
}

// Rejection is a filter's no to one node.
type Rejection struct {
	// Plugin is the filter's name.
	Plugin string `json:"plugin"`
	// Reasons are in upstream's words; a node that lacks two resources has two.
	Reasons []string `json:"reasons"`
	// Unresolvable: evicting pods from the node would not help.
	Unresolvable bool `json:"unresolvable,omitempty"`
	// Detail is minik's own word on what it is about the node, for whoever asks about that one; upstream's message, which counts
	// nodes, is without it.
	Detail string `json:"detail,omitempty"`
	// OfPod: the no is to the pod, whatever the node; upstream's message counts no nodes then.
	OfPod bool `json:"ofPod,omitempty"`
}

func reject(plugin string, unresolvable bool, reasons ...string) *Rejection {
	return &Rejection{Plugin: plugin, Reasons: reasons, Unresolvable: unresolvable}
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
	return r.Plugin + resolvable + strings.Join(r.Reasons, "\n") + "\n" + r.Detail
}

// Says is the rejection as one line.
func (r *Rejection) Says() string {
	reasons := strings.Join(r.Reasons, ", ")
	if r.Detail != "" {
		return reasons + ": " + r.Detail
	}
	return reasons
}

// normalizeToMost makes the highest raw score MaxScore.
func normalizeToMost(_ view, standings []standing, at int) { normalize(standings, at, false) }

// normalizeToLeast makes a raw score of 0 MaxScore, and the highest 0.
func normalizeToLeast(_ view, standings []standing, at int) { normalize(standings, at, true) }

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
			*score = MaxScore * standings[g].raws[at] / most
		}
		if reverse {
			*score = MaxScore - *score
		}
	}
}

// Plugins that compare nodes have each node state facts, and add up those of the nodes that are one domain.

// fact is what one node states about one question.
type fact struct {
	has     bool   // the node has the label
	domain  string // the label's value
	alone   bool   // no other node has that value, so the domain is the node, and need not be named
	counted bool   // the inclusion policies let the node count
	count   int64  // what the node adds to its domain; 0 where it is not counted
}

// facts are what a node states to each plugin that compares nodes.
type facts [factsPlaces][]fact

// factsOf are the node's facts, but for those that only a feasible node states.
func (p *Profile) factsOf(s *shape, n *NodeInfo, alone alone) facts {
	var all facts
	for _, c := range p.comparisons {
		if !c.feasibleOnly {
			all[c.place] = c.facts(s, n, alone[c.place])
		}
	}
	return all
}

// append adds the facts to a key that tells them apart.
func (f *facts) append(b []byte) []byte {
	for _, list := range f {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, f := range list {
			var bits byte
			if f.has {
				bits |= 1
			}
			if f.counted {
				bits |= 2
			}
			if f.alone {
				bits |= 4
			}
			b = append(b, bits)
			b = binary.AppendVarint(b, f.count)
			b = binary.AppendUvarint(b, uint64(len(f.domain)))
			b = append(b, f.domain...)
		}
	}
	return b
}

func hasAll(facts []fact) bool {
	for _, f := range facts {
		if !f.has {
			return false
		}
	}
	return true
}

// alone says of the keys of each plugin which of them no two nodes have the same value of, such as a hostname. The zero
// value says it of none.
type alone [factsPlaces][]bool

func standAlone(p *Profile, s *shape, snapshot *Snapshot) alone {
	var all alone
	for _, c := range p.comparisons {
		if c.keys == nil {
			continue
		}
		for _, key := range c.keys(s) {
			all[c.place] = append(all[c.place], snapshot.standAlone(key))
		}
	}
	return all
}

// domains are the counts by domain. Nodes that stand for themselves have no entry: their own fact is their domain's count.
type domains struct {
	counts map[string]int64
	alone  int // domains that are one node each
	least  int64
}

func (d *domains) size() int { return len(d.counts) + d.alone }

func (d *domains) count(f fact) int64 {
	if f.alone {
		return f.count
	}
	return d.counts[f.domain]
}
