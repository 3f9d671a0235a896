package framework

import (
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// term is one term of a pod's affinity or anti-affinity to other pods.
type term struct {
	kind     termKind
	weight   int64  // of a preference; negative where the pod prefers to be away
	key      string // topologyKey: nodes with the same value of this label are near each other
	selector labels.Selector
	// The pods meant are those of these namespaces, and of the namespaces that the selector matches.
	namespaces        []string
	namespaceSelector labels.Selector // nil selects none

	name string // equal for equal terms
	id   uint64 // given when the first pod with the term was placed
	pods int    // placed pods that have it
}

type termKind byte

const (
	needs   termKind = '+' // required affinity
	avoids  termKind = '-' // required anti-affinity
	prefers termKind = '~' // preferred affinity, or with a negative weight preferred anti-affinity
)

// namespaceLabels are the labels of all namespaces, by name.
type namespaceLabels map[string]map[string]string

// matches reports whether the term means the pod.
func (t *term) matches(pod *corev1.Pod, all namespaceLabels) bool {
	if !slices.Contains(t.namespaces, pod.Namespace) &&
		(t.namespaceSelector == nil || !t.namespaceSelector.Matches(labels.Set(all[pod.Namespace]))) {
		return false
	}
	return t.selector.Matches(labels.Set(pod.Labels))
}

// matchesAll reports whether every one of the terms means the pod; none means no pod.
func matchesAll(terms []*term, pod *corev1.Pod, all namespaceLabels) bool {
	for _, t := range terms {
		if !t.matches(pod, all) {
			return false
		}
	}
	return len(terms) > 0
}

// writtenTerm is a term as the pod states it.
type writtenTerm struct {
	kind   termKind
	weight int64
	*corev1.PodAffinityTerm
}

func writtenTerms(pod *corev1.Pod) []writtenTerm {
	a := pod.Spec.Affinity
	if a == nil || a.PodAffinity == nil && a.PodAntiAffinity == nil {
		return nil
	}
	var all []writtenTerm
	required := func(kind termKind, terms []corev1.PodAffinityTerm) {
		for i := range terms {
			all = append(all, writtenTerm{kind, 0, &terms[i]})
		}
	}
	preferred := func(sign int64, terms []corev1.WeightedPodAffinityTerm) {
		for i := range terms {
			all = append(all, writtenTerm{prefers, sign * int64(terms[i].Weight), &terms[i].PodAffinityTerm})
		}
	}
	if a.PodAffinity != nil {
		required(needs, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		preferred(1, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if a.PodAntiAffinity != nil {
		required(avoids, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		preferred(-1, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	return all
}

// name tells terms apart. What the term takes from its pod, the namespace and the values of labels, is part of it.
func (w writtenTerm) name(pod *corev1.Pod) string {
	b := append(make([]byte, 0, 256), byte(w.kind))
	b = append(strconv.AppendInt(b, w.weight, 10), ' ')
	b = appendJSON(b, w.PodAffinityTerm)
	if w.ownNamespace() {
		b = append(append(b, ' '), pod.Namespace...)
	}
	for _, keys := range [][]string{w.MatchLabelKeys, w.MismatchLabelKeys} {
		for _, key := range keys {
			value, has := pod.Labels[key]
			b = strconv.AppendQuote(strconv.AppendBool(append(b, ' '), has), value)
		}
	}
	return string(b)
}

// ownNamespace: a term that names no namespaces in either way means those of its pod.
func (w writtenTerm) ownNamespace() bool { return len(w.Namespaces) == 0 && w.NamespaceSelector == nil }

func newTerm(w writtenTerm, pod *corev1.Pod, name string) *term {
	t := &term{kind: w.kind, weight: w.weight, key: w.TopologyKey, namespaces: w.Namespaces, name: name}
	if w.ownNamespace() {
		t.namespaces = []string{pod.Namespace}
	}
	t.selector = readSelector(w.LabelSelector)
	// Upstream's API server writes the keys' values into the selector when the pod is created, and leaves the keys. A
	// selector that speaks of the key is one that was written so.
	t.selector = addLabelKeys(t.selector, w.MatchLabelKeys, selection.In, pod)
	t.selector = addLabelKeys(t.selector, w.MismatchLabelKeys, selection.NotIn, pod)
	if w.NamespaceSelector != nil {
		t.namespaceSelector = readSelector(w.NamespaceSelector)
	}
	return t
}

// readSelector reads a selector that the API server has checked; none selects nothing.
func readSelector(s *metav1.LabelSelector) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	return selector
}

func addLabelKeys(
	selector labels.Selector, keys []string, operator selection.Operator, pod *corev1.Pod,
) labels.Selector {
	requirements, _ := selector.Requirements()
	for _, key := range keys {
		value, has := pod.Labels[key]
		written := slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() == key })
		if !has || written {
			continue
		}
		if r, err := labels.NewRequirement(key, operator, []string{value}); err == nil {
			selector = selector.Add(*r)
		}
	}
	return selector
}

// placedTerms are the terms of all placed pods. Equal terms, such as those of the pods of one ReplicaSet, are one.
type placedTerms struct {
	byName map[string]*term
	named  map[string][]*term // by the namespaces that they name, oldest first
	wide   []*term            // those that select namespaces
	last   uint64             // the newest id
}

// take finds or makes the terms of a pod that is being placed.
func (p *placedTerms) take(pod *corev1.Pod) []*term {
	var all []*term
	for _, w := range writtenTerms(pod) {
		name := w.name(pod)
		t, ok := p.byName[name]
		if !ok {
			t = newTerm(w, pod, name)
			p.insert(t)
		}
		t.pods++
		all = append(all, t)
	}
	return all
}

func (p *placedTerms) insert(t *term) {
	if p.byName == nil {
		p.byName, p.named = map[string]*term{}, map[string][]*term{}
	}
	p.last++
	t.id = p.last
	p.byName[t.name] = t
	if t.namespaceSelector != nil {
		p.wide = append(p.wide, t)
		return
	}
	for _, namespace := range t.namespaces {
		p.named[namespace] = append(p.named[namespace], t)
	}
}

// release forgets the terms that no pod has any more.
func (p *placedTerms) release(terms []*term) {
	for _, t := range terms {
		if t.pods--; t.pods > 0 {
			continue
		}
		delete(p.byName, t.name)
		is := func(other *term) bool { return other == t }
		p.wide = slices.DeleteFunc(p.wide, is)
		for _, namespace := range t.namespaces {
			if p.named[namespace] = slices.DeleteFunc(p.named[namespace], is); len(p.named[namespace]) == 0 {
				delete(p.named, namespace)
			}
		}
	}
}

// matching are the terms that mean the pod and that the profile looks at, oldest first. Only terms that name the
// pod's namespace or select namespaces are asked.
func (p *placedTerms) matching(profile *Profile, pod *corev1.Pod, all namespaceLabels) []*term {
	var found []*term
	for _, list := range [][]*term{p.named[pod.Namespace], p.wide} {
		for _, t := range list {
			if profile.looksAt(t.kind, pod) && t.matches(pod, all) {
				found = append(found, t)
			}
		}
	}
	slices.SortFunc(found, func(a, b *term) int { return int(a.id) - int(b.id) })
	return slices.Compact(found) // a namespace may be named twice
}

// SetNamespace puts in a namespace's labels.
func (s *Snapshot) SetNamespace(namespace *corev1.Namespace) Change {
	old, ok := s.namespaces[namespace.Name]
	if ok && maps.Equal(old, namespace.Labels) {
		return 0
	}
	s.namespaces[namespace.Name] = namespace.Labels
	return s.namespacesChanged()
}

// RemoveNamespace takes a namespace away.
func (s *Snapshot) RemoveNamespace(namespace *corev1.Namespace) Change {
	if _, ok := s.namespaces[namespace.Name]; !ok {
		return 0
	}
	delete(s.namespaces, namespace.Name)
	return s.namespacesChanged()
}

func (s *Snapshot) namespacesChanged() Change {
	s.clock++
	s.namespacesAt = s.clock
	return NamespacesLabelled
}
