package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Nominate notes that the pod waits for room on the node, which others leave for it. From then on it counts there for
// pods that do not go before it.
func (s *Snapshot) Nominate(pod *corev1.Pod, node string) Change {
	info := newPodInfo(pod)
	if s.nominations[pod.UID] == node {
		if known := s.nodes[node].nominated[pod.UID]; known.same(info) {
			known.pod = pod
			return 0
		}
	}
	happened := s.Unnominate(pod.UID)
	n := s.node(node)
	if n.nominated == nil {
		n.nominated = map[types.UID]*podInfo{}
	}
	info.terms = s.terms.take(pod)
	n.nominated[pod.UID] = info
	s.nominations[pod.UID] = node
	s.touch(n)
	return happened | podPlaced
}

// Unnominate takes a nomination back.
func (s *Snapshot) Unnominate(uid types.UID) Change {
	place, ok := s.nominations[uid]
	if !ok {
		return 0
	}
	n := s.nodes[place]
	s.terms.release(n.nominated[uid].terms)
	delete(n.nominated, uid)
	delete(s.nominations, uid)
	s.touch(n)
	s.forget(place, n)
	return podRemoved
}

// nominatedBelow are the pods nominated for the node that a pod of the priority goes before.
func (s *Snapshot) nominatedBelow(node string, priority int32) []*corev1.Pod {
	var pods []*corev1.Pod
	if n := s.existing(node); n != nil {
		for _, p := range n.nominated {
			if p.priority < priority {
				pods = append(pods, p.pod)
			}
		}
	}
	return pods
}

// budgets are the PodDisruptionBudgets, by namespace and name.
type budgets map[types.NamespacedName]*budget

type budget struct {
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
	s.budgets[types.NamespacedName{Namespace: b.Namespace, Name: b.Name}] = &budget{
		selector: readSelector(b.Spec.Selector), allowed: b.Status.DisruptionsAllowed, disrupted: disrupted,
	}
	return 0
}

// RemoveBudget takes a PodDisruptionBudget away.
func (s *Snapshot) RemoveBudget(b *policyv1.PodDisruptionBudget) Change {
	delete(s.budgets, types.NamespacedName{Namespace: b.Namespace, Name: b.Name})
	return 0
}

// split tells those of the pods whose eviction a budget would not allow, if they are evicted in this order, from the
// others.
func (b budgets) split(pods []*podInfo) (violating, others []*podInfo) {
	left := map[*budget]int32{}
	for _, p := range pods {
		violates := false
		for name, budget := range b {
			if name.Namespace != p.pod.Namespace || len(p.pod.Labels) == 0 || budget.selector.Empty() ||
				budget.disrupted[p.pod.Name] || !budget.selector.Matches(labels.Set(p.pod.Labels)) {
				continue
			}
			if _, ok := left[budget]; !ok {
				left[budget] = budget.allowed
			}
			left[budget]--
			violates = violates || left[budget] < 0
		}
		if violates {
			violating = append(violating, p)
		} else {
			others = append(others, p)
		}
	}
	return violating, others
}
