package scheduler

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// InterPodAffinity in the plainest way: for each node, for each term, over all pods.

func referenceRequired(pod *corev1.Pod, anti bool) []corev1.PodAffinityTerm {
	if a := pod.Spec.Affinity; a != nil && !anti && a.PodAffinity != nil {
		return a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	} else if a != nil && anti && a.PodAntiAffinity != nil {
		return a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// referencePreferred are the preferred terms, those of anti-affinity with a negative weight.
func referencePreferred(pod *corev1.Pod) []corev1.WeightedPodAffinityTerm {
	var all []corev1.WeightedPodAffinityTerm
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		all = append(all, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution...)
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		for _, t := range a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			t.Weight = -t.Weight
			all = append(all, t)
		}
	}
	return all
}

// means reports whether the term of the owner's means the other pod.
func (r *reference) means(t corev1.PodAffinityTerm, owner, other *corev1.Pod) bool {
	in := slices.Contains(t.Namespaces, other.Namespace)
	if t.NamespaceSelector != nil {
		selector, _ := metav1.LabelSelectorAsSelector(t.NamespaceSelector)
		in = in || selector.Matches(labels.Set(r.namespaces[other.Namespace]))
	} else if len(t.Namespaces) == 0 {
		in = owner.Namespace == other.Namespace
	}
	selector, _ := metav1.LabelSelectorAsSelector(t.LabelSelector)
	in = in && selector.Matches(labels.Set(other.Labels))
	for _, key := range t.MatchLabelKeys {
		if value, ok := owner.Labels[key]; ok {
			in = in && other.Labels[key] == value
		}
	}
	for _, key := range t.MismatchLabelKeys {
		if value, ok := owner.Labels[key]; ok {
			in = in && other.Labels[key] != value
		}
	}
	return in
}

// placed visits the pods on nodes that exist, with their node.
func (r *reference) placed(visit func(*corev1.Pod, *corev1.Node)) {
	for _, node := range r.nodes {
		for _, p := range r.on(node) {
			visit(p, node)
		}
	}
}

func referenceNear(key string, a, b *corev1.Node) bool {
	x, ok := a.Labels[key]
	y, has := b.Labels[key]
	return ok && has && x == y
}

func (r *reference) meansAll(terms []corev1.PodAffinityTerm, owner, other *corev1.Pod) bool {
	for _, t := range terms {
		if !r.means(t, owner, other) {
			return false
		}
	}
	return true
}

// affinityMatters: the pod requires something of others, or a pod that really is there keeps it away from somewhere. Where it does not,
// nobody asks whom a pod that is only tried keeps away.
func (r *reference) affinityMatters(pod *corev1.Pod) bool {
	matters := len(referenceRequired(pod, false)) > 0 || len(referenceRequired(pod, true)) > 0
	r.really().placed(func(p *corev1.Pod, at *corev1.Node) {
		for _, t := range referenceRequired(p, true) {
			matters = matters || r.means(t, p, pod) && referenceNear(t.TopologyKey, at, at)
		}
	})
	return matters
}

func (r *reference) rejectsAffinity(pod *corev1.Pod, node *corev1.Node) []string {
	if !r.affinityMatters(pod) {
		return nil
	}
	terms := referenceRequired(pod, false)
	first, fits := r.meansAll(terms, pod, pod), true
	for _, t := range terms {
		if _, ok := node.Labels[t.TopologyKey]; !ok {
			return []string{"node(s) didn't match pod affinity rules"}
		}
		found := false
		r.placed(func(p *corev1.Pod, at *corev1.Node) {
			if r.meansAll(terms, pod, p) {
				found = found || referenceNear(t.TopologyKey, node, at)
				_, labelled := at.Labels[t.TopologyKey]
				first = first && !labelled
			}
		})
		fits = fits && found
	}
	if !fits && !first {
		return []string{"node(s) didn't match pod affinity rules"}
	}
	kept, unwanted := false, false
	r.placed(func(p *corev1.Pod, at *corev1.Node) {
		for _, t := range referenceRequired(pod, true) {
			kept = kept || r.means(t, pod, p) && referenceNear(t.TopologyKey, node, at)
		}
		for _, t := range referenceRequired(p, true) {
			unwanted = unwanted || r.means(t, p, pod) && referenceNear(t.TopologyKey, node, at)
		}
	})
	if kept {
		return []string{"node(s) didn't match pod anti-affinity rules"}
	}
	if unwanted {
		return []string{"node(s) didn't satisfy existing pods anti-affinity rules"}
	}
	return nil
}

func (r *reference) affinityScores(pod *corev1.Pod, fit []*corev1.Node) []int64 {
	raw := make([]int64, len(fit))
	for i, node := range fit {
		r.placed(func(p *corev1.Pod, at *corev1.Node) {
			for _, t := range referencePreferred(pod) {
				if r.means(t.PodAffinityTerm, pod, p) && referenceNear(t.PodAffinityTerm.TopologyKey, node, at) {
					raw[i] += int64(t.Weight)
				}
			}
			for _, t := range referencePreferred(p) {
				if r.means(t.PodAffinityTerm, p, pod) && referenceNear(t.PodAffinityTerm.TopologyKey, node, at) {
					raw[i] += int64(t.Weight)
				}
			}
			for _, t := range referenceRequired(p, false) {
				if r.means(t, p, pod) && referenceNear(t.TopologyKey, node, at) {
					raw[i]++
				}
			}
		})
	}
	least, most := slices.Min(raw), slices.Max(raw)
	scores := make([]int64, len(fit))
	for i := range fit {
		if most > least {
			scores[i] = int64(100 * (float64(raw[i]-least) / float64(most-least)))
		}
	}
	return scores
}
