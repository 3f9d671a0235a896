package scheduler

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// reference schedules in the plainest way there is: from the API objects, without snapshot, groups or memory, each
// rule written out where it is used. It knows the default profile only. The property test holds Schedule against it.
type reference struct {
	nodes []*corev1.Node // by name
	pods  []*corev1.Pod  // those with a node
	base  []*corev1.Pod  // those that really are there, where others are tried; nil where none are

	namespaces map[string]map[string]string // their labels
	nominated  []*corev1.Pod                // by status.nominatedNodeName
	budgets    []*policyv1.PodDisruptionBudget

	claims  map[string]*corev1.PersistentVolumeClaim // by namespace/name
	volumes map[string]*corev1.PersistentVolume
	classes map[string]*storagev1.StorageClass
}

type referenceAnswer struct {
	node     string
	score    int64
	feasible int
	tied     int
	message  string
	victims  string // node and pods, where the pod preempts
}

func (r *reference) schedule(pod *corev1.Pod) referenceAnswer {
	sort.Slice(r.nodes, func(i, j int) bool { return r.nodes[i].Name < r.nodes[j].Name })
	reasons := map[string]int{}
	var fit []*corev1.Node
	for _, node := range r.nodes {
		failed := r.rejectsNominated(pod, node)
		if failed == nil && pod.Status.NominatedNodeName == node.Name {
			return referenceAnswer{node: node.Name, feasible: 1, tied: 1}
		}
		for _, reason := range failed {
			reasons[reason]++
		}
		if len(failed) == 0 {
			fit = append(fit, node)
		}
	}
	if len(fit) == 0 {
		return r.failure(pod, referenceMessage(len(r.nodes), reasons))
	}
	totals := r.totals(pod, fit)
	best := slices.Max(totals)
	var tied []string
	for i, node := range fit {
		if totals[i] == best {
			tied = append(tied, node.Name)
		}
	}
	return referenceAnswer{
		node: tied[int(referenceHash(pod.UID)%uint64(len(tied)))], score: best, feasible: len(fit), tied: len(tied),
	}
}

// referenceHash chooses among equals.
func referenceHash(uid types.UID) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid))
	return h.Sum64() ^ h.Sum64()>>32
}

func (r *reference) failure(pod *corev1.Pod, message string) referenceAnswer {
	if len(r.nodes) == 0 {
		return referenceAnswer{message: message}
	}
	found, why := r.preempt(pod, func(equals int) int { return int(referenceHash(pod.UID) % uint64(equals)) })
	if found == nil {
		return referenceAnswer{message: message + " preemption: " + why}
	}
	message += fmt.Sprintf(" preemption: found a potential placement for pod on node %s, preempting %d victims",
		found.node, len(found.pods))
	answer := referenceAnswer{message: message, victims: fmt.Sprint(found.node, found.violations)}
	for _, p := range found.pods {
		answer.victims += " " + p.Name
	}
	return answer
}

func referenceMessage(nodes int, reasons map[string]int) string {
	if nodes == 0 {
		return "no nodes available to schedule pods"
	}
	var parts []string
	for reason, count := range reasons {
		parts = append(parts, fmt.Sprintf("%d %s", count, reason))
	}
	sort.Strings(parts)
	return fmt.Sprintf("0/%d nodes are available: %s.", nodes, strings.Join(parts, ", "))
}

func (r *reference) on(node *corev1.Node) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, p := range r.pods {
		if p.Spec.NodeName == node.Name {
			pods = append(pods, p)
		}
	}
	return pods
}

func (r *reference) rejects(pod *corev1.Pod, node *corev1.Node) []string {
	if no := r.rejectsClaims(pod); no != nil {
		return no
	}
	cordon := &corev1.Taint{Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule}
	if node.Spec.Unschedulable && !referenceTolerates(pod, cordon) {
		return []string{"node(s) were unschedulable"}
	}
	if taint := referenceTaint(pod, node); taint != nil {
		return []string{"node(s) had untolerated taint(s)"}
	}
	if match, _ := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node); !match {
		return []string{"node(s) didn't match Pod's node affinity/selector"}
	}
	for _, other := range r.on(node) {
		for _, mine := range pod.Spec.Containers[0].Ports {
			for _, theirs := range other.Spec.Containers[0].Ports {
				if mine.HostPort == theirs.HostPort {
					return []string{"node(s) didn't have free ports for the requested pod ports"}
				}
			}
		}
	}
	var lacking []string
	if allocatable := node.Status.Allocatable[corev1.ResourcePods]; int64(len(r.on(node))) >= allocatable.Value() {
		lacking = append(lacking, "Too many pods")
	}
	for _, name := range []corev1.ResourceName{"cpu", "memory", "nvidia.com/gpu"} {
		if want := referenceRequest(pod, name); want > 0 && r.taken(node, name)+want > referenceHas(node, name) {
			lacking = append(lacking, "Insufficient "+string(name))
		}
	}
	if lacking != nil {
		return lacking
	}
	if no := r.rejectsVolumes(pod, node); no != nil {
		return no
	}
	if spread := r.rejectsSpread(pod, node); spread != nil {
		return spread
	}
	return r.rejectsAffinity(pod, node)
}

func referenceTaint(pod *corev1.Pod, node *corev1.Node) *corev1.Taint {
	for _, taint := range node.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !referenceTolerates(pod, &taint) {
			return &taint
		}
	}
	return nil
}

func referenceTolerates(pod *corev1.Pod, taint *corev1.Taint) bool {
	for _, t := range pod.Spec.Tolerations {
		effect := t.Effect == "" || t.Effect == taint.Effect
		key := t.Key == taint.Key || t.Key == "" && t.Operator == corev1.TolerationOpExists
		value := t.Operator == corev1.TolerationOpExists || t.Value == taint.Value
		if effect && key && value {
			return true
		}
	}
	return false
}

// Thousandths, for cpu and all others alike.
func referenceRequest(pod *corev1.Pod, name corev1.ResourceName) int64 {
	q := pod.Spec.Containers[0].Resources.Requests[name]
	return q.MilliValue()
}

func referenceHas(node *corev1.Node, name corev1.ResourceName) int64 {
	q := node.Status.Allocatable[name]
	return q.MilliValue()
}

func (r *reference) taken(node *corev1.Node, name corev1.ResourceName) int64 {
	var sum int64
	for _, p := range r.on(node) {
		sum += referenceRequest(p, name)
	}
	return sum
}

func referenceScoredRequest(pod *corev1.Pod, name corev1.ResourceName) int64 {
	if _, ok := pod.Spec.Containers[0].Resources.Requests[name]; ok {
		return referenceRequest(pod, name)
	}
	if name == corev1.ResourceCPU {
		return 100
	}
	return 200 * 1024 * 1024 * 1000
}

func (r *reference) rejectsSpread(pod *corev1.Pod, node *corev1.Node) []string {
	var hard []corev1.TopologySpreadConstraint
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			hard = append(hard, c)
		}
	}
	for _, c := range hard {
		domain, ok := node.Labels[c.TopologyKey]
		if !ok {
			return []string{"node(s) didn't match pod topology spread constraints (missing required label)"}
		}
		counts := map[string]int{}
		for _, n := range r.nodes {
			kept := c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor && referenceTaint(pod, n) != nil
			match, _ := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n)
			if match && !kept && referenceHasKeys(n, hard) {
				counts[n.Labels[c.TopologyKey]] += r.matching(pod, n, &c)
			}
		}
		least := math.MaxInt
		for _, count := range counts {
			least = min(least, count)
		}
		if c.MinDomains != nil && len(counts) < int(*c.MinDomains) {
			least = 0
		}
		count := counts[domain]
		if selector, _ := metav1.LabelSelectorAsSelector(c.LabelSelector); selector.Matches(labels.Set(pod.Labels)) {
			count++
		}
		if count-least > int(c.MaxSkew) {
			return []string{"node(s) didn't match pod topology spread constraints"}
		}
	}
	return nil
}

func referenceHasKeys(node *corev1.Node, constraints []corev1.TopologySpreadConstraint) bool {
	for _, c := range constraints {
		if _, ok := node.Labels[c.TopologyKey]; !ok {
			return false
		}
	}
	return true
}

// matching counts the node's pods that the constraint selects, but for those that are leaving; where others are tried, those that are
// added or taken away count whether they are leaving or not.
func (r *reference) matching(pod *corev1.Pod, node *corev1.Node, c *corev1.TopologySpreadConstraint) int {
	count := 0
	real := r.really()
	for _, p := range real.on(node) {
		if p.DeletionTimestamp == nil {
			count += referenceSelects(pod, p, c)
		}
		if !slices.Contains(r.pods, p) {
			count -= referenceSelects(pod, p, c)
		}
	}
	for _, p := range r.on(node) {
		if !slices.Contains(real.pods, p) {
			count += referenceSelects(pod, p, c)
		}
	}
	return count
}

// really is the cluster without what is tried.
func (r *reference) really() *reference {
	if r.base == nil {
		return r
	}
	real := *r
	real.pods, real.base = r.base, nil
	return &real
}

// referenceSelects is 1 for a pod that the constraint of the other selects; one without selector stands for the pods of the same
// controller.
func referenceSelects(pod, other *corev1.Pod, c *corev1.TopologySpreadConstraint) int {
	if other.Namespace != pod.Namespace {
		return 0
	}
	if c.LabelSelector == nil {
		if metav1.GetControllerOf(other) != nil && metav1.GetControllerOf(other).UID == metav1.GetControllerOf(pod).UID {
			return 1
		}
		return 0
	}
	if selector, _ := metav1.LabelSelectorAsSelector(c.LabelSelector); selector.Matches(labels.Set(other.Labels)) {
		return 1
	}
	return 0
}

// totals are the weighted scores of the nodes that fit.
func (r *reference) totals(pod *corev1.Pod, fit []*corev1.Node) []int64 {
	totals := make([]int64, len(fit))
	taints, preferred := make([]int64, len(fit)), make([]int64, len(fit))
	for i, node := range fit {
		for _, taint := range node.Spec.Taints {
			if taint.Effect == corev1.TaintEffectPreferNoSchedule && !referenceTolerates(pod, &taint) {
				taints[i]++
			}
		}
		if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
			terms, _ := nodeaffinity.NewPreferredSchedulingTerms(
				a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
			preferred[i] = terms.Score(node)
		}
	}
	spread, near := r.spreadScores(pod, fit), r.affinityScores(pod, fit)
	for i, node := range fit {
		var sum, balanced int64
		with, without := 0.0, 0.0
		for sign, name := range []corev1.ResourceName{"cpu", "memory"} {
			has, scored := referenceHas(node, name), referenceScoredRequest(pod, name)
			for _, p := range r.on(node) {
				scored += referenceScoredRequest(p, name)
			}
			if scored <= has {
				sum += (has - scored) * 100 / has
			}
			direction := float64(1 - 2*sign)
			with += direction * math.Min(1, float64(r.taken(node, name)+referenceRequest(pod, name))/float64(has))
			without += direction * math.Min(1, float64(r.taken(node, name))/float64(has))
		}
		if referenceRequest(pod, "cpu") > 0 || referenceRequest(pod, "memory") > 0 {
			balanced = 50 + (50+int64((1-math.Abs(with)/2)*100)-int64((1-math.Abs(without)/2)*100))/2
		}
		taint, affinity := int64(100), int64(0)
		if most := slices.Max(taints); most > 0 {
			taint = 100 - 100*taints[i]/most
		}
		if most := slices.Max(preferred); most > 0 {
			affinity = 100 * preferred[i] / most
		}
		totals[i] = 3*taint + 2*affinity + sum/2 + balanced + 2*spread[i] + 2*near[i] + r.imageScore(pod, node)
	}
	return totals
}

// imageScore: 23 MiB are worth nothing, 1000 MiB 100; a rare image counts less.
func (r *reference) imageScore(pod *corev1.Pod, node *corev1.Node) int64 {
	const mib = 1 << 20
	var sum int64
	for _, c := range pod.Spec.Containers {
		var size, nodes int64
		for _, n := range r.nodes {
			for _, image := range n.Status.Images {
				if slices.Contains(image.Names, c.Image) {
					nodes++
					if n.Name == node.Name {
						size = image.SizeBytes
					}
				}
			}
		}
		sum += int64(float64(size) * (float64(nodes) / float64(len(r.nodes))))
	}
	most := int64(len(pod.Spec.Containers)) * 1000 * mib
	return 100 * (min(max(sum, 23*mib), most) - 23*mib) / (most - 23*mib)
}

func (r *reference) spreadScores(pod *corev1.Pod, fit []*corev1.Node) []int64 {
	scores := make([]int64, len(fit))
	own := len(pod.Spec.TopologySpreadConstraints) > 0
	var soft []corev1.TopologySpreadConstraint
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.ScheduleAnyway {
			soft = append(soft, c)
		}
	}
	if !own && metav1.GetControllerOf(pod) != nil {
		soft = []corev1.TopologySpreadConstraint{
			{TopologyKey: corev1.LabelHostname, MaxSkew: 3}, {TopologyKey: corev1.LabelTopologyZone, MaxSkew: 5},
		}
	}
	if len(soft) == 0 {
		return scores
	}
	scored := func(n *corev1.Node) bool { return !own || referenceHasKeys(n, soft) }
	raw := make([]int64, len(fit))
	least, most, any := int64(math.MaxInt64), int64(0), false
	for i, node := range fit {
		if !scored(node) {
			continue
		}
		sum := 0.0
		for _, c := range soft {
			domain, ok := node.Labels[c.TopologyKey]
			if !ok {
				continue
			}
			domains, count := map[string]bool{}, 0
			for _, n := range fit {
				if scored(n) { // one without the label is in the domain of the empty value
					domains[n.Labels[c.TopologyKey]] = true
				}
			}
			for _, n := range r.nodes {
				match, _ := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n)
				if d, ok := n.Labels[c.TopologyKey]; ok && d == domain && match && scored(n) {
					count += r.matching(pod, n, &c)
				}
			}
			size := len(domains)
			if c.TopologyKey == corev1.LabelHostname {
				size = 0
				for _, n := range fit {
					if scored(n) {
						size++
					}
				}
			}
			sum += float64(count)*math.Log(float64(size+2)) + float64(c.MaxSkew-1)
		}
		raw[i], any = int64(math.Round(sum)), true
		least, most = min(least, raw[i]), max(most, raw[i])
	}
	for i, node := range fit {
		switch {
		case !any || !scored(node):
		case most == 0:
			scores[i] = 100
		default:
			scores[i] = 100 * (most + least - raw[i]) / most
		}
	}
	return scores
}
