package scheduler

import (
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Preemption and nominated pods in the plainest way: take pods off the lists, and ask every rule again.

// rejectsNominated asks twice: with the pods nominated for the node that do not come after the pod, and without.
func (r *reference) rejectsNominated(pod *corev1.Pod, node *corev1.Node) []string {
	with := *r
	with.pods, with.base = nil, r.really().pods
	if with.base == nil {
		with.base = []*corev1.Pod{}
	}
	for _, p := range r.nominated {
		if p.Status.NominatedNodeName == node.Name && p.UID != pod.UID && referencePriority(p) >= referencePriority(pod) {
			p = p.DeepCopy()
			p.Spec.NodeName = node.Name
			with.pods = append(with.pods, p)
		}
	}
	with.pods = append(with.pods, r.pods...)
	if no := with.rejects(pod, node); no != nil {
		return no
	}
	return r.rejects(pod, node)
}

func referencePriority(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

// hopeless reports whether no eviction can turn the reasons into a yes.
func referenceHopeless(pod *corev1.Pod, node *corev1.Node, reasons []string) bool {
	for _, reason := range reasons {
		name, lacks := strings.CutPrefix(reason, "Insufficient ")
		if lacks && referenceRequest(pod, corev1.ResourceName(name)) > referenceHas(node, corev1.ResourceName(name)) {
			return true
		}
	}
	switch reason := reasons[0]; {
	case strings.HasPrefix(reason, "Insufficient"), reason == "Too many pods",
		strings.HasSuffix(reason, "anti-affinity rules"), strings.HasSuffix(reason, "free ports for the requested pod ports"),
		strings.HasSuffix(reason, "topology spread constraints"), strings.HasSuffix(reason, "ReadWriteOncePod access mode"):
		return false
	}
	return true
}

type referenceVictims struct {
	node       string
	pods       []*corev1.Pod
	violations int
}

// preempt is the node and its victims, or why there are none. tie picks among equally good nodes.
func (r *reference) preempt(pod *corev1.Pod, tie func(int) int) (*referenceVictims, string) {
	reasons := map[string]int{}
	var all []*referenceVictims
	for _, node := range r.nodes {
		no := r.rejectsNominated(pod, node)
		if referenceHopeless(pod, node, no) {
			reasons["Preemption is not helpful for scheduling"]++
			continue
		}
		victims, why := r.victims(pod, node)
		for _, reason := range why {
			reasons[reason]++
		}
		if victims != nil {
			all = append(all, victims)
		}
	}
	if len(all) == 0 {
		return nil, referenceMessage(len(r.nodes), reasons)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].less(all[j]) })
	equals := 1
	for equals < len(all) && !all[0].less(all[equals]) {
		equals++
	}
	return all[tie(equals)], ""
}

func (v *referenceVictims) less(w *referenceVictims) bool {
	sum := func(v *referenceVictims) (sum int64) {
		for _, p := range v.pods {
			sum += int64(referencePriority(p)) + 1<<31
		}
		return sum
	}
	switch a, b := v.pods[0], w.pods[0]; {
	case v.violations != w.violations:
		return v.violations < w.violations
	case referencePriority(a) != referencePriority(b):
		return referencePriority(a) < referencePriority(b)
	case sum(v) != sum(w):
		return sum(v) < sum(w)
	default:
		return a.Status.StartTime.Time.After(b.Status.StartTime.Time) // equal sums are equally many here
	}
}

func (r *reference) victims(pod *corev1.Pod, node *corev1.Node) (*referenceVictims, []string) {
	left := *r
	left.pods, left.base = nil, r.pods
	var lower []*corev1.Pod
	for _, p := range r.pods {
		if p.Spec.NodeName == node.Name && referencePriority(p) < referencePriority(pod) {
			lower = append(lower, p)
		} else {
			left.pods = append(left.pods, p)
		}
	}
	if len(lower) == 0 {
		return nil, []string{"No preemption victims found for incoming pod"}
	}
	if no := left.rejectsNominated(pod, node); no != nil {
		return nil, no
	}
	important := func(pods []*corev1.Pod) {
		sort.Slice(pods, func(i, j int) bool {
			if referencePriority(pods[i]) != referencePriority(pods[j]) {
				return referencePriority(pods[i]) > referencePriority(pods[j])
			}
			if !pods[i].Status.StartTime.Equal(pods[j].Status.StartTime) {
				return pods[i].Status.StartTime.Before(pods[j].Status.StartTime)
			}
			return fmt.Sprint(pods[i].Namespace, "/", pods[i].Name) < fmt.Sprint(pods[j].Namespace, "/", pods[j].Name)
		})
	}
	important(lower)
	var violating, others []*corev1.Pod
	used := map[string]int{}
	sort.Slice(r.budgets, func(i, j int) bool { return r.budgets[i].Name < r.budgets[j].Name })
	for _, p := range lower {
		violates := false
		for _, b := range r.budgets {
			selector, _ := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			if b.Namespace == p.Namespace && !violates && selector.Matches(labels.Set(p.Labels)) {
				used[b.Name]++
				violates = used[b.Name] > int(b.Status.DisruptionsAllowed)
			}
		}
		if violates {
			violating = append(violating, p)
		} else {
			others = append(others, p)
		}
	}
	victims := &referenceVictims{node: node.Name}
	try := func(p *corev1.Pod) bool {
		with := left
		with.pods = append(append([]*corev1.Pod{}, left.pods...), p)
		if with.rejectsNominated(pod, node) == nil {
			left = with
			return true
		}
		victims.pods = append(victims.pods, p)
		return false
	}
	for _, p := range violating {
		if !try(p) {
			victims.violations++
		}
	}
	for _, p := range others {
		try(p)
	}
	if len(victims.pods) == 0 {
		return nil, []string{"No preemption victims found for incoming pod"}
	}
	important(victims.pods)
	return victims, nil
}
