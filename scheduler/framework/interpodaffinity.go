package framework

import (
	"math"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// InterPodAffinity is about who is near whom. It looks both ways: what the pod asks of those that are there, and what they
// ask of it.
var interPodAffinityRow = plugin{
	name:       InterPodAffinity,
	reads:      []string{"metadata.namespace", "metadata.labels", "spec.affinity.podAffinity", "spec.affinity.podAntiAffinity"},
	key:        appendTerms,
	clusterKey: appendPlacedTerms,
	prepare:    prepareAffinity,
	compares: &comparison{
		place: interPodAffinityFacts, keys: (*shape).affinityKeys, facts: affinityFacts, skips: skipsAffinity,
		filter: filterAffinity,
	},
	helps:     NodeAdded | NodeRemoved | NodeLabels | PodRemoved | PodPlaced | NamespacesLabelled,
	hint:      hintAffinity,
	weight:    2,
	normalize: scoreAffinity,
}

// appendTerms adds the pod's terms, and of its labels only what they do: the pods of a StatefulSet, each labelled with its
// name, have one shape.
func appendTerms(b []byte, _ *Profile, pod *corev1.Pod) []byte {
	needy := false
	for _, w := range writtenTerms(pod) {
		b = appendWord(b, w.name(pod))
		needy = needy || w.kind == needs
	}
	if needy { // whether the pod itself is meant
		b = appendJSON(b, pod.Labels)
	}
	return b
}

// appendPlacedTerms adds which terms of placed pods mean the pod.
func appendPlacedTerms(b []byte, p *Profile, snapshot *Snapshot, pod *corev1.Pod) []byte {
	for _, t := range snapshot.terms.matching(p, pod, snapshot.namespaces) {
		b = append(strconv.AppendUint(b, t.id, 10), ';')
	}
	for _, w := range writtenTerms(pod) {
		if w.NamespaceSelector != nil { // the namespaces that it selects are part of the shape
			return append(strconv.AppendUint(b, snapshot.namespacesAt, 10), 'n')
		}
	}
	return b
}

func prepareAffinity(s *shape, p *Profile, snapshot *Snapshot, pod *corev1.Pod) {
	s.affinity = newAffinity(p, snapshot, pod)
	s.compares = s.compares || s.affinity.filters
}

func (s *shape) affinityKeys() []string {
	keys := make([]string, len(s.affinity.tallies))
	for i := range keys {
		keys[i] = s.affinity.tallies[i].key
	}
	return keys
}

// affinity is what a pod and the placed pods ask of each other.
type affinity struct {
	needs       []*term // the pod's required affinity: a placed pod counts if all of them mean it
	matchesSelf bool    // all of needs mean the pod itself, so it may be the first of its group
	own         []rule  // the pod's other terms: placed pods that they mean count
	// placed are the terms of placed pods that mean the pod: pods that have them count.
	placed  map[*term]rule
	tallies []tally
	filters bool // some of the tallies may reject nodes
	labels  namespaceLabels
}

// rule says to which tally a pod that counts adds how much.
type rule struct {
	*term
	tally int
	adds  int64
}

// tally is one sum over the pods of a domain, which is all nodes with the same value of the label.
type tally struct {
	purpose purpose
	key     string
}

// purpose is what a tally decides.
type purpose byte

const (
	near     purpose = iota // must not be 0: required affinity
	away                    // must be 0: required anti-affinity
	unwanted                // must be 0: required anti-affinity of placed pods
	liking                  // the higher, the better: all preferences
)

func newAffinity(p *Profile, snapshot *Snapshot, pod *corev1.Pod) affinity {
	a := affinity{labels: snapshot.namespaces}
	filters, scores := p.Filters[InterPodAffinity], p.Weights[InterPodAffinity] > 0
	index := map[tally]int{}
	at := func(purpose purpose, key string) int {
		t := tally{purpose, key}
		i, ok := index[t]
		if !ok {
			i = len(a.tallies)
			index[t], a.tallies = i, append(a.tallies, t)
		}
		return i
	}
	for _, w := range writtenTerms(pod) {
		switch {
		case w.kind == prefers && scores:
			t := newTerm(w, pod, "")
			a.own = append(a.own, rule{t, at(liking, t.key), t.weight})
		case w.kind == avoids && filters:
			t := newTerm(w, pod, "")
			a.own = append(a.own, rule{t, at(away, t.key), 1})
		case w.kind == needs && filters:
			t := newTerm(w, pod, "")
			a.needs = append(a.needs, t)
			at(near, t.key)
		}
	}
	a.matchesSelf = matchesAll(a.needs, pod, a.labels)
	for _, t := range snapshot.terms.matching(p, pod, a.labels) {
		if a.placed == nil {
			a.placed = map[*term]rule{}
		}
		switch t.kind {
		case avoids:
			a.placed[t] = rule{t, at(unwanted, t.key), 1}
		case needs:
			a.placed[t] = rule{t, at(liking, t.key), int64(p.HardPodAffinityWeight)}
		case prefers:
			a.placed[t] = rule{t, at(liking, t.key), t.weight}
		}
	}
	for _, t := range a.tallies {
		a.filters = a.filters || t.purpose != liking
	}
	return a
}

// looksAt reports whether the term of placed pods matters to the pod.
func (p *Profile) looksAt(kind termKind, pod *corev1.Pod) bool {
	if kind == avoids {
		return p.Filters[InterPodAffinity]
	}
	if p.Weights[InterPodAffinity] == 0 || kind == needs && p.HardPodAffinityWeight == 0 {
		return false
	}
	return !p.IgnorePreferredTermsOfExistingPods || statesPreference(pod)
}

func statesPreference(pod *corev1.Pod) bool {
	for _, w := range writtenTerms(pod) {
		if w.kind == prefers {
			return true
		}
	}
	return false
}

// affinityFacts are the node's, one for each tally. Pods that are being deleted count until they are gone.
func affinityFacts(s *shape, n *NodeInfo, alone []bool) []fact {
	a := &s.affinity
	if len(a.tallies) == 0 {
		return nil
	}
	facts := make([]fact, len(a.tallies))
	for i, t := range a.tallies {
		f := &facts[i]
		f.domain, f.has = n.Node.Labels[t.key]
		if f.has && alone != nil && alone[i] {
			f.domain, f.alone = "", true
		}
	}
	add := func(i int, amount int64) {
		if facts[i].has {
			facts[i].count += amount
		}
	}
	for _, p := range n.pods {
		if matchesAll(a.needs, p.pod, a.labels) {
			for i, t := range a.tallies {
				if t.purpose == near {
					add(i, 1)
				}
			}
		}
		for _, r := range a.own {
			if r.matches(p.pod, a.labels) {
				add(r.tally, r.adds)
			}
		}
		for _, t := range p.terms {
			if r, ok := a.placed[t]; ok {
				add(r.tally, r.adds)
			}
		}
	}
	return facts
}

// sums are the counts by domain, for each tally.
func (a *affinity) sums(groups []*group) []domains {
	all := make([]domains, len(a.tallies))
	for i := range all {
		all[i].counts = map[string]int64{}
		for _, g := range groups {
			if f := g.facts[interPodAffinityFacts][i]; f.has && !f.alone && f.count != 0 {
				all[i].counts[f.domain] += f.count * int64(g.size)
			}
		}
	}
	return all
}

// skipsAffinity: the pod requires nothing of others, and no placed pod keeps it away.
func skipsAffinity(s *shape, groups []*group) bool {
	for i, t := range s.affinity.tallies {
		if t.purpose == near || t.purpose == away {
			return false
		}
		for _, g := range groups {
			if t.purpose == unwanted && g.size > 0 && g.facts[interPodAffinityFacts][i].count > 0 {
				return false
			}
		}
	}
	return true
}

// filterAffinity rejects the groups that are not near enough to some pods, or too near to others.
func filterAffinity(s *shape, groups []*group, standings []standing) {
	a := &s.affinity
	if !a.filters {
		return
	}
	all, first := a.sums(groups), a.matchesSelf && !a.anyNear(groups)
	for g, group := range groups {
		if standings[g].rejection == nil {
			standings[g].rejection = checkAffinity(a, all, first, group.facts[interPodAffinityFacts])
		}
	}
}

// anyNear reports whether any pod counts for the required affinity, wherever it is.
func (a *affinity) anyNear(groups []*group) bool {
	for i, t := range a.tallies {
		if t.purpose != near {
			continue
		}
		for _, g := range groups {
			if g.size > 0 && g.facts[interPodAffinityFacts][i].count > 0 {
				return true
			}
		}
	}
	return false
}

// checkAffinity is upstream's filter. A pod that is the first of its group, and belongs to it, may go to any node
// that has the labels.
func checkAffinity(a *affinity, all []domains, first bool, facts []fact) *Rejection {
	for i, t := range a.tallies {
		if t.purpose == near && (!facts[i].has || all[i].count(facts[i]) <= 0 && !first) {
			return reject(InterPodAffinity, true, "node(s) didn't match pod affinity rules")
		}
	}
	for i, t := range a.tallies {
		if t.purpose == away && facts[i].has && all[i].count(facts[i]) > 0 {
			return reject(InterPodAffinity, false, "node(s) didn't match pod anti-affinity rules")
		}
	}
	for i, t := range a.tallies {
		if t.purpose == unwanted && facts[i].has && all[i].count(facts[i]) > 0 {
			return reject(InterPodAffinity, false, "node(s) didn't satisfy existing pods anti-affinity rules")
		}
	}
	return nil
}

// scoreAffinity sets the raw scores and the scores of the groups that are left: the lowest sum of preferences becomes
// 0, the highest MaxScore.
func scoreAffinity(v view, standings []standing, at int) {
	a, groups := &v.shape.affinity, v.groups
	all := a.sums(groups)
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	for g, group := range groups {
		if standings[g].rejection != nil || group.size == 0 {
			continue
		}
		var raw int64
		for i, t := range a.tallies {
			if f := group.facts[interPodAffinityFacts][i]; t.purpose == liking && f.has {
				raw += all[i].count(f)
			}
		}
		standings[g].raws[at] = raw
		least, most = min(least, raw), max(most, raw)
	}
	for g := range standings {
		if standings[g].rejection == nil && most > least {
			standings[g].scores[at] = int64(MaxScore * (float64(standings[g].raws[at]-least) / float64(most-least)))
		}
	}
}

// hintAffinity reports whether a pod that came or went may help: one that came, by being needed; one that went, by
// having kept the pod away, or by having been the first of its group.
func hintAffinity(s *shape, happened Change, pod *corev1.Pod) bool {
	a := &s.affinity
	needed := matchesAll(a.needs, pod, a.labels)
	if happened == PodPlaced {
		return needed
	}
	for _, r := range a.own {
		if r.kind == avoids && r.matches(pod, a.labels) {
			return true
		}
	}
	return needed || happened != PodRemoved || pod.Spec.Affinity != nil && pod.Spec.Affinity.PodAntiAffinity != nil
}
