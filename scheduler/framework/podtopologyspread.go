package framework

import (
	"cmp"
	"math"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
)

// PodTopologySpread cannot judge a node by itself: a node is as good as its domain, which is all nodes with the same value
// of a label, compared with the other domains.
var podTopologySpreadRow = plugin{
	name: PodTopologySpread,
	reads: []string{
		"metadata.namespace", "metadata.labels", "metadata.ownerReferences.apiVersion", "metadata.ownerReferences.kind",
		"metadata.ownerReferences.uid", "metadata.ownerReferences.controller",
		"spec.topologySpreadConstraints",
		"spec.nodeSelector", "spec.affinity.nodeAffinity", "spec.tolerations", // nodes that they exclude may not count
	},
	key:     appendConstraints,
	prepare: prepareSpread,
	compares: &comparison{
		place: podTopologySpreadFacts, keys: (*shape).spreadKeys, facts: spreadFacts, filter: filterSpread,
	},
	helps:     NodeAdded | NodeRemoved | NodeLabels | NodeTaints | PodRemoved | PodPlaced,
	hint:      hintSpread,
	weight:    2,
	normalize: scoreSpread,
}

func appendConstraints(b []byte, _ *Profile, pod *corev1.Pod) []byte {
	b = append(b, 'c')
	b = appendWord(b, string(spreadController(pod)))
	if len(pod.Spec.TopologySpreadConstraints) > 0 {
		b = appendJSON(b, pod.Spec.TopologySpreadConstraints)
		b = appendJSON(b, pod.Labels)
	}
	return b
}

func prepareSpread(s *shape, p *Profile, _ *Snapshot, pod *corev1.Pod) {
	s.spread = newSpread(p, pod, spreadController(pod))
	s.compares = s.compares || len(s.spread.hard) > 0
}

func (s *shape) spreadKeys() []string {
	keys := make([]string, s.spread.len())
	for i := range keys {
		keys[i] = s.spread.at(i).key
	}
	return keys
}

// spread is what a pod asks of the plugin.
type spread struct {
	hard []constraint // whenUnsatisfiable: DoNotSchedule
	soft []constraint // whenUnsatisfiable: ScheduleAnyway
	// requireAll leaves out nodes that lack one of the labels. The system's default constraints do without it.
	requireAll bool
}

type constraint struct {
	key         string // the node label whose values are the domains
	maxSkew     int64
	minDomains  int
	selector    labels.Selector // of the pods that are counted; nil counts the pods of the controller
	controller  types.UID
	matchesSelf bool // the pod itself will be counted
	// Nodes that the pod could not go to are not counted in their domain.
	honorAffinity, honorTaints bool
}

func newSpread(p *Profile, pod *corev1.Pod, controller types.UID) spread {
	own := pod.Spec.TopologySpreadConstraints
	all, s := own, spread{requireAll: true}
	if len(own) == 0 {
		if controller == "" {
			return spread{}
		}
		all, s.requireAll = p.Spread, !p.SystemSpread
	}
	for i := range all {
		c := newConstraint(&all[i], pod)
		if len(own) == 0 {
			c.selector, c.controller, c.matchesSelf = nil, controller, true
		}
		if all[i].WhenUnsatisfiable == corev1.DoNotSchedule {
			s.hard = append(s.hard, c)
		} else {
			s.soft = append(s.soft, c)
		}
	}
	return s
}

func newConstraint(t *corev1.TopologySpreadConstraint, pod *corev1.Pod) constraint {
	c := constraint{key: t.TopologyKey, maxSkew: int64(t.MaxSkew), minDomains: 1, honorAffinity: true}
	if t.MinDomains != nil {
		c.minDomains = int(*t.MinDomains)
	}
	if t.NodeAffinityPolicy != nil {
		c.honorAffinity = *t.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor
	}
	if t.NodeTaintsPolicy != nil {
		c.honorTaints = *t.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor
	}
	c.selector = addLabelKeys(readSelector(t.LabelSelector), t.MatchLabelKeys, selection.In, pod)
	c.matchesSelf = c.selector.Matches(labels.Set(pod.Labels))
	return c
}

// spreadFacts are the node's, hard constraints first.
func spreadFacts(s *shape, n *NodeInfo, alone []bool) []fact {
	total := s.spread.len()
	if total == 0 {
		return nil
	}
	facts := make([]fact, total)
	for i := range facts {
		c, f := s.spread.at(i), &facts[i]
		f.domain, f.has = n.Node.Labels[c.key]
		hostname := c.key == corev1.LabelHostname && i >= len(s.spread.hard) // scored by the node's own pods, as upstream
		if f.has && (hostname || alone != nil && alone[i]) {
			f.domain, f.alone = "", true
		}
		if f.counted = c.includes(s, n); f.counted {
			f.count = c.countPods(s.namespace, n)
		}
	}
	return facts
}

func (s *spread) len() int { return len(s.hard) + len(s.soft) }

func (s *spread) at(i int) *constraint {
	if i < len(s.hard) {
		return &s.hard[i]
	}
	return &s.soft[i-len(s.hard)]
}

func (c *constraint) includes(s *shape, n *NodeInfo) bool {
	if c.honorAffinity {
		if match, err := s.required.Match(n.Node); !match || err != nil {
			return false
		}
	}
	return !c.honorTaints || checkTaintToleration(s, n) == nil
}

// countPods counts the node's matching pods of the namespace. Those that are being deleted no longer count, and a selector that
// selects every pod counts none. Of a copy of the node, the pods that were put there or taken away count on top whatever they are, as
// upstream has it.
func (c *constraint) countPods(namespace string, n *NodeInfo) int64 {
	base, count := cmp.Or(n.base, n), int64(0)
	if c.selector == nil {
		count = base.controlled[owner{namespace, c.controller}]
	} else if !c.selector.Empty() {
		for _, p := range base.pods {
			if p.pod.DeletionTimestamp == nil && c.means(namespace, p) {
				count++
			}
		}
	}
	if base == n {
		return count
	}
	for uid, p := range n.pods {
		if _, was := base.pods[uid]; !was && c.means(namespace, p) {
			count++
		}
	}
	for uid, p := range base.pods {
		if _, is := n.pods[uid]; !is && c.means(namespace, p) {
			count--
		}
	}
	return count
}

// means reports whether the placed pod is of the namespace and one of those that are counted.
func (c *constraint) means(namespace string, p *podInfo) bool {
	return p.pod.Namespace == namespace && c.counts(p.pod)
}

// hintSpread reports whether a pod that came or went may help: it is one of those that are counted. What a pod was that
// changed is not known, so that it may.
func hintSpread(s *shape, happened Change, pod *corev1.Pod) bool {
	if happened != PodPlaced && happened != PodRemoved {
		return true
	}
	if pod.Namespace != s.namespace {
		return false
	}
	for i := range s.spread.hard {
		if s.spread.hard[i].counts(pod) {
			return true
		}
	}
	return false
}

// counts reports whether the pod, of the same namespace, is one of those that the constraint is about.
func (c *constraint) counts(pod *corev1.Pod) bool {
	if c.selector != nil {
		return c.selector.Matches(labels.Set(pod.Labels))
	}
	return spreadController(pod) == c.controller
}

// spreadController is the controller with whose other pods the pod is spread where it states no constraints: one of the three kinds
// that upstream asks for their selector. The pods of a Job or a DaemonSet go where they go.
func spreadController(pod *corev1.Pod) types.UID {
	o := metav1.GetControllerOfNoCopy(pod)
	if o == nil {
		return ""
	}
	switch o.APIVersion + " " + o.Kind {
	case "v1 ReplicationController", "apps/v1 ReplicaSet", "apps/v1 StatefulSet":
		return o.UID
	}
	return ""
}

// filterSpread rejects the groups that would make a domain hold more than maxSkew pods above the emptiest one.
func filterSpread(shape *shape, groups []*group, standings []standing) {
	s := &shape.spread
	if len(s.hard) == 0 {
		return
	}
	all := make([]domains, len(s.hard))
	for i := range s.hard {
		all[i] = hardDomains(s, i, groups)
	}
	for g, group := range groups {
		if standings[g].rejection == nil {
			standings[g].rejection = checkSpread(s, all, group.facts[podTopologySpreadFacts])
		}
	}
}

func hardDomains(s *spread, i int, groups []*group) domains {
	d := domains{counts: map[string]int64{}, least: math.MaxInt64}
	for _, g := range groups {
		facts := g.facts[podTopologySpreadFacts]
		if g.size == 0 || !hasAll(facts[:len(s.hard)]) || !facts[i].counted {
			continue
		}
		f := facts[i]
		if f.alone {
			d.alone += g.size
			d.least = min(d.least, f.count)
			continue
		}
		d.counts[f.domain] += f.count * int64(g.size)
	}
	for _, count := range d.counts {
		d.least = min(d.least, count)
	}
	if d.size() < s.hard[i].minDomains {
		d.least = 0
	}
	return d
}

func checkSpread(s *spread, all []domains, facts []fact) *Rejection {
	for i := range s.hard {
		c, f := &s.hard[i], facts[i]
		if !f.has {
			return reject(PodTopologySpread, true,
				"node(s) didn't match pod topology spread constraints (missing required label)")
		}
		count := int64(0) // a node that lacks the label of some other constraint is in no domain
		if !f.alone || hasAll(facts[:len(s.hard)]) {
			count = all[i].count(f)
		}
		if c.matchesSelf {
			count++
		}
		if count-all[i].least > c.maxSkew {
			return reject(PodTopologySpread, false, "node(s) didn't match pod topology spread constraints")
		}
	}
	return nil
}

// scoreSpread sets the raw scores and the scores of the groups that are left: the fewer matching pods a node's
// domains hold, the better. Each constraint weighs the more, the more domains it has.
func scoreSpread(v view, standings []standing, at int) {
	s, groups := &v.shape.spread, v.groups
	if len(s.soft) == 0 {
		return
	}
	all, weights := softDomains(s, groups, standings)
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	for g, group := range groups {
		if standings[g].rejection != nil || s.ignores(group.facts[podTopologySpreadFacts]) {
			continue
		}
		var sum float64
		for i, f := range group.facts[podTopologySpreadFacts][len(s.hard):] {
			if f.has {
				sum += float64(all[i].count(f))*weights[i] + float64(s.soft[i].maxSkew-1)
			}
		}
		raw := int64(math.Round(sum))
		standings[g].raws[at] = raw
		least, most = min(least, raw), max(most, raw)
	}
	for g, group := range groups {
		if standings[g].rejection != nil || s.ignores(group.facts[podTopologySpreadFacts]) {
			continue
		}
		if most == 0 {
			standings[g].scores[at] = MaxScore
			continue
		}
		standings[g].scores[at] = MaxScore * (most + least - standings[g].raws[at]) / most
	}
}

// softDomains counts the pods in the domains that the nodes left belong to, over all nodes.
func softDomains(s *spread, groups []*group, standings []standing) ([]domains, []float64) {
	all, weights := make([]domains, len(s.soft)), make([]float64, len(s.soft))
	for i := range s.soft {
		all[i].counts = map[string]int64{}
	}
	left := 0
	for g, group := range groups {
		if standings[g].rejection != nil || s.ignores(group.facts[podTopologySpreadFacts]) {
			continue
		}
		left += group.size
		for i, f := range group.facts[podTopologySpreadFacts][len(s.hard):] {
			if f.alone {
				all[i].alone += group.size
			} else { // to lack the label is one more domain, with the empty value
				all[i].counts[f.domain] = 0
			}
		}
	}
	for _, group := range groups {
		if s.ignores(group.facts[podTopologySpreadFacts]) {
			continue
		}
		for i, f := range group.facts[podTopologySpreadFacts][len(s.hard):] {
			if _, ok := all[i].counts[f.domain]; ok && !f.alone {
				all[i].counts[f.domain] += f.count * int64(group.size)
			}
		}
	}
	for i := range s.soft {
		size := all[i].size()
		if s.soft[i].key == corev1.LabelHostname {
			size = left
		}
		weights[i] = math.Log(float64(size + 2))
	}
	return all, weights
}

// ignores reports whether the nodes with these facts get no score for lack of a label.
func (s *spread) ignores(facts []fact) bool { return s.requireAll && !hasAll(facts[len(s.hard):]) }
