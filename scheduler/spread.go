package scheduler

import (
	"encoding/binary"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
)

// PodTopologySpread cannot judge a node by itself, and nor can InterPodAffinity: a node is as good as its domain,
// which is all nodes with the same value of a label, compared with the other domains. So it works in two steps. Each
// node states its facts (factsOf); then all facts together give the verdicts (filterSpread) and the scores
// (scoreSpread).

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

// fact is what one node states for one constraint.
type fact struct {
	has     bool   // the node has the label
	domain  string // the label's value
	alone   bool   // no other node has that value, so the domain is the node, and need not be named
	counted bool   // the inclusion policies let the node count
	count   int64  // matching pods on the node; 0 where it is not counted
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

// factsOf are the node's facts, hard constraints first. alone says for which constraints no two nodes share a domain;
// nil means for none.
func factsOf(s *shape, n *NodeInfo, alone []bool) []fact {
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

// countPods counts the node's matching pods of the namespace. Those that are being deleted no longer count.
func (c *constraint) countPods(namespace string, n *NodeInfo) int64 {
	if c.selector == nil {
		return n.controlled[owner{namespace, c.controller}]
	}
	var count int64
	for _, p := range n.pods {
		if p.pod.Namespace == namespace && p.pod.DeletionTimestamp == nil && c.selector.Matches(labels.Set(p.pod.Labels)) {
			count++
		}
	}
	return count
}

// factsKey tells facts apart.
func factsKey(facts []fact) string {
	if facts == nil {
		return ""
	}
	b := make([]byte, 0, 64)
	for _, f := range facts {
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
	return string(b)
}

// hintSpread reports whether a pod that came or went may help: it is one of those that are counted. What a pod was that
// changed is not known, so that it may.
func hintSpread(s *shape, happened Change, pod *corev1.Pod) bool {
	if happened != podPlaced && happened != podRemoved {
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
	o := metav1.GetControllerOfNoCopy(pod)
	return o != nil && o.UID == c.controller
}
