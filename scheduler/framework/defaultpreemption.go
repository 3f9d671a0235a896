package framework

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
)

// DefaultPreemption makes room for a pod that fits nowhere, by evicting pods of lower priority from one node. Which
// node, and which pods, is decided as upstream documents it:
// kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/

var defaultPreemptionRow = plugin{
	name:  DefaultPreemption,
	reads: []string{"spec.preemptionPolicy"},
	key: func(b []byte, _ *Profile, pod *corev1.Pod) []byte {
		if pod.Spec.PreemptionPolicy != nil {
			b = appendWord(b, string(*pod.Spec.PreemptionPolicy))
		}
		return b
	},
	prepare: func(s *shape, _ *Profile, _ *Snapshot, pod *corev1.Pod) {
		s.preempts = pod.Spec.PreemptionPolicy == nil || *pod.Spec.PreemptionPolicy != corev1.PreemptNever
	},
	postFilter: preempt,
}

// Preemption is whom a pod drives out, and from where.
type Preemption struct {
	Node string
	// Victims are the pods to evict, most important first.
	Victims []*corev1.Pod
	// Violations is how many of them leave although a PodDisruptionBudget allows no further disruption.
	Violations int
}

// Reason is the preemption as one sentence.
func (p *Preemption) Reason() string {
	var victims []string
	for _, v := range p.Victims {
		victims = append(victims, fmt.Sprintf("%s/%s of priority %d", v.Namespace, v.Name, schedulinghelpers.PodPriority(v)))
	}
	pods := "pods"
	if len(victims) == 1 {
		pods = "pod"
	}
	sentence := fmt.Sprintf("preempts %d %s on %s: %s", len(victims), pods, p.Node, strings.Join(victims, ", "))
	if p.Violations > 0 {
		sentence += fmt.Sprintf("; %d of them against a disruption budget", p.Violations)
	}
	return sentence
}

// foundPlacement is how the message goes on where evictions help.
const foundPlacement = " preemption: found a potential placement for pod"

// preempt adds to the decision how to make room, or why that does not help.
func preempt(d decider, made Decision, standings []standing) Decision {
	found, why, stays := d.preempt(&made, standings)
	if made.Preemption = found; found != nil {
		made.Message += fmt.Sprintf("%s on node %s, preempting %d victims", foundPlacement, found.Node, len(found.Victims))
	} else {
		made.Message += " preemption: " + why
		made.Withdrawn = !stays && d.snapshot.nominations[d.pod.UID] != ""
	}
	return made
}

// preempt finds the node and its victims, or says why there are none. stays: the pod keeps the node that it was
// nominated for before.
func (d *decider) preempt(made *Decision, standings []standing) (found *Preemption, why string, stays bool) {
	if !d.shape.preempts {
		return nil, "not eligible due to preemptionPolicy=Never.", true
	}
	if d.waitsForVictims(standings) {
		return nil, "not eligible due to a terminating pod on the nominated node.", true
	}
	reasons := map[string]int{}
	helpful := newNodeSet(len(d.nodes))
	for g, group := range d.groups {
		if standings[g].rejection.Unresolvable {
			reasons["Preemption is not helpful for scheduling"] += group.size
			continue
		}
		for i, word := range group.members {
			helpful[i] |= word
		}
	}
	made.candidates = d.candidates(helpful, made, reasons)
	slices.Sort(made.evenSo) // the order of the search depends on the pod
	if len(made.candidates) == 0 {
		return nil, histogram(len(d.nodes), reasons), false
	}
	return pick(slices.Clone(made.candidates), hash(d.pod.UID)), "", false
}

// waitsForVictims reports whether pods that were evicted for this one are still leaving its nominated node.
func (d *decider) waitsForVictims(standings []standing) bool {
	n := d.nominatedNode()
	if n == nil || standings[d.groupOf(n.slot)].rejection.Unresolvable {
		return false
	}
	for _, p := range n.pods {
		if p.priority < d.shape.priority && p.pod.DeletionTimestamp != nil && wasPreempted(p.pod) {
			return true
		}
	}
	return false
}

func wasPreempted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue &&
			c.Reason == corev1.PodReasonPreemptionByScheduler
	})
}

// candidates tries node after node, from one that the pod's UID names, until there are enough. reasons count the nodes
// where nothing helps, and the decision notes whose no it is.
func (d *decider) candidates(helpful nodeSet, made *Decision, reasons map[string]int) []*Preemption {
	count := helpful.count()
	if count == 0 {
		return nil
	}
	enough := max(count*int(d.profile.MinCandidateNodesPercentage)/100, int(d.profile.MinCandidateNodesAbsolute))
	slots := slices.Collect(helpful.all)
	offset := int(hash(d.pod.UID) % uint64(count))
	var found []*Preemption
	harmless := false // one of them violates no budget
	for i := range slots {
		if harmless && len(found) >= enough {
			break
		}
		n := d.nodes[slots[(offset+i)%count]]
		candidate, no := d.selectVictims(n)
		if no != nil {
			for _, reason := range no.Reasons {
				reasons[reason]++
			}
			if no.Plugin != DefaultPreemption { // which only says that there is nobody to evict
				made.evenSo = with(made.evenSo, no.Plugin)
			}
		}
		if candidate != nil {
			found = append(found, candidate)
			harmless = harmless || candidate.Violations == 0
		}
	}
	return found
}

// selectVictims takes all pods of lower priority off the node, and then puts back as many as it can: those first whose
// eviction would violate a budget, and the more important ones first.
func (d *decider) selectVictims(n *NodeInfo) (*Preemption, *Rejection) {
	if !n.hasLower(d.shape.priority) {
		return nil, noVictims()
	}
	without, dry := n.clone(), d.dryRun(n)
	var lower []*podInfo
	for _, p := range n.pods {
		if p.priority < d.shape.priority {
			lower = append(lower, p)
			without.drop(p)
		}
	}
	if r := dry.ask(without); r != nil {
		return nil, r
	}
	slices.SortFunc(lower, byImportance)
	violating, others := d.snapshot.budgets.split(lower)
	found := &Preemption{Node: n.Node.Name}
	var victims []*podInfo
	for i, p := range append(violating, others...) {
		if without.put(p); dry.ask(without) == nil {
			continue
		}
		without.drop(p)
		victims = append(victims, p)
		if i < len(violating) {
			found.Violations++
		}
	}
	if len(victims) == 0 {
		return nil, noVictims()
	}
	slices.SortFunc(victims, byImportance)
	for _, p := range victims {
		found.Victims = append(found.Victims, p.pod)
	}
	return found, nil
}

func noVictims() *Rejection {
	return reject(DefaultPreemption, true, "No preemption victims found for incoming pod")
}

// byImportance: higher priority, then the longer running.
func byImportance(a, b *podInfo) int {
	return cmp.Or(cmp.Compare(b.priority, a.priority), started(a.pod).Compare(started(b.pod)),
		cmp.Compare(a.pod.Namespace, b.pod.Namespace), cmp.Compare(a.pod.Name, b.pod.Name))
}

// started is when the pod's node took it; a pod that it has not taken yet is younger than all others.
func started(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime == nil {
		return time.Unix(math.MaxInt32, 0)
	}
	return pod.Status.StartTime.Time
}

// Candidates are the preemptions that the decision's was chosen from.
func (d Decision) Candidates() []*Preemption { return d.candidates }

// WithCandidates is the decision about the pod once extenders have left these of its candidates.
func (d Decision) WithCandidates(left []*Preemption, snapshot *Snapshot, pod *corev1.Pod) Decision {
	if d.Preemption = nil; len(left) > 0 {
		d.Preemption = pick(left, hash(pod.UID))
		return d
	}
	d.Message += " preemption: no candidate node for preemption" // as upstream
	d.evenSo = with(d.evenSo, Extender)
	d.Withdrawn = snapshot.nominations[pod.UID] != ""
	return d
}

// SortVictims puts the more important pods first: of higher priority, then those that run longer.
func SortVictims(pods []*corev1.Pod) {
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(schedulinghelpers.PodPriority(b), schedulinghelpers.PodPriority(a)),
			started(a).Compare(started(b)))
	})
}

// pick chooses the node that loses least: fewest violated budgets, then the lowest priority of the most important
// victim, the smallest sum of priorities, the fewest victims, the youngest of the most important victims. Among equals
// the pod's UID picks.
func pick(candidates []*Preemption, uid uint64) *Preemption {
	slices.SortFunc(candidates, func(a, b *Preemption) int { return cmp.Or(byLoss(a, b), cmp.Compare(a.Node, b.Node)) })
	equals := 1
	for equals < len(candidates) && byLoss(candidates[0], candidates[equals]) == 0 {
		equals++
	}
	return candidates[uid%uint64(equals)]
}

func byLoss(a, b *Preemption) int {
	return cmp.Or(
		cmp.Compare(a.Violations, b.Violations),
		cmp.Compare(schedulinghelpers.PodPriority(a.Victims[0]), schedulinghelpers.PodPriority(b.Victims[0])),
		cmp.Compare(a.prioritySum(), b.prioritySum()),
		cmp.Compare(len(a.Victims), len(b.Victims)),
		started(b.Victims[0]).Compare(started(a.Victims[0])), // victims are sorted: the first has run longest
	)
}

// prioritySum adds up the victims' priorities, moved so that none is negative: each victim more is a loss.
func (p *Preemption) prioritySum() int64 {
	var sum int64
	for _, v := range p.Victims {
		sum += int64(schedulinghelpers.PodPriority(v)) + math.MaxInt32 + 1
	}
	return sum
}

// budgets are the PodDisruptionBudgets, sorted by namespace and name.
type budgets []*budget

type budget struct {
	types.NamespacedName
	selector  labels.Selector
	allowed   int32
	disrupted map[string]bool // pods whose disruption is counted already
}

// SetBudget puts in a PodDisruptionBudget. That helps nobody: a budget only ranks victims.
func (s *Snapshot) SetBudget(b *policyv1.PodDisruptionBudget) Change {
	disrupted := map[string]bool{}
	for pod := range b.Status.DisruptedPods {
		disrupted[pod] = true
	}
	name := types.NamespacedName{Namespace: b.Namespace, Name: b.Name}
	at, there := s.budgets.find(name)
	if !there {
		s.budgets = slices.Insert(s.budgets, at, nil)
	}
	s.budgets[at] = &budget{
		NamespacedName: name, selector: readSelector(b.Spec.Selector), allowed: b.Status.DisruptionsAllowed, disrupted: disrupted,
	}
	return 0
}

// RemoveBudget takes a PodDisruptionBudget away.
func (s *Snapshot) RemoveBudget(b *policyv1.PodDisruptionBudget) Change {
	if at, there := s.budgets.find(types.NamespacedName{Namespace: b.Namespace, Name: b.Name}); there {
		s.budgets = slices.Delete(s.budgets, at, at+1)
	}
	return 0
}

// find is where the budget of the name is, or would be.
func (b budgets) find(name types.NamespacedName) (int, bool) {
	return slices.BinarySearchFunc(b, name, func(b *budget, name types.NamespacedName) int {
		return cmp.Or(cmp.Compare(b.Namespace, name.Namespace), cmp.Compare(b.Name, name.Name))
	})
}

// split tells those of the pods whose eviction a budget would not allow, if they are evicted in this order, from the
// others. A pod that several budgets select is charged to each until one allows nothing more: upstream asks them in no order that holds.
func (b budgets) split(pods []*podInfo) (violating, others []*podInfo) {
	left := map[*budget]int32{}
	for _, p := range pods {
		violates := false
		for _, budget := range b {
			if budget.Namespace != p.pod.Namespace || len(p.pod.Labels) == 0 || budget.selector.Empty() ||
				budget.disrupted[p.pod.Name] || !budget.selector.Matches(labels.Set(p.pod.Labels)) {
				continue
			}
			if _, ok := left[budget]; !ok {
				left[budget] = budget.allowed
			}
			if left[budget]--; left[budget] < 0 {
				violates = true
				break
			}
		}
		if violates {
			violating = append(violating, p)
		} else {
			others = append(others, p)
		}
	}
	return violating, others
}
