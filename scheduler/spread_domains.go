package scheduler

import (
	"math"

	corev1 "k8s.io/api/core/v1"
)

// domains are the counts of one constraint, by domain. Nodes that stand for themselves have no entry: their own fact
// is their domain's count.
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

// filterSpread rejects the groups that would make a domain hold more than maxSkew pods above the emptiest one.
func filterSpread(s *spread, groups []*group, standings []standing) {
	if len(s.hard) == 0 {
		return
	}
	all := make([]domains, len(s.hard))
	for i := range s.hard {
		all[i] = hardDomains(s, i, groups)
	}
	for g, group := range groups {
		if standings[g].rejection == nil {
			standings[g].rejection = checkSpread(s, all, group.facts)
		}
	}
}

func hardDomains(s *spread, i int, groups []*group) domains {
	d := domains{counts: map[string]int64{}, least: math.MaxInt64}
	for _, g := range groups {
		if g.size == 0 || !hasAll(g.facts[:len(s.hard)]) || !g.facts[i].counted {
			continue
		}
		f := g.facts[i]
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
		count := all[i].count(f)
		if c.matchesSelf {
			count++
		}
		if count-all[i].least > c.maxSkew {
			return reject(PodTopologySpread, false, "node(s) didn't match pod topology spread constraints")
		}
	}
	return nil
}

func hasAll(facts []fact) bool {
	for _, f := range facts {
		if !f.has {
			return false
		}
	}
	return true
}

// scoreSpread sets the raw scores and the scores of the groups that are left: the fewer matching pods a node's
// domains hold, the better. Each constraint weighs the more, the more domains it has.
func scoreSpread(s *spread, groups []*group, standings []standing, at int) {
	if len(s.soft) == 0 {
		return
	}
	all, weights := softDomains(s, groups, standings)
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	for g, group := range groups {
		if standings[g].rejection != nil || s.ignores(group.facts) {
			continue
		}
		var sum float64
		for i, f := range group.facts[len(s.hard):] {
			if f.has {
				sum += float64(all[i].count(f))*weights[i] + float64(s.soft[i].maxSkew-1)
			}
		}
		raw := int64(math.Round(sum))
		standings[g].raws[at] = raw
		least, most = min(least, raw), max(most, raw)
	}
	for g, group := range groups {
		if standings[g].rejection != nil || s.ignores(group.facts) {
			continue
		}
		if most == 0 {
			standings[g].scores[at] = maxScore
			continue
		}
		standings[g].scores[at] = maxScore * (most + least - standings[g].raws[at]) / most
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
		if standings[g].rejection != nil || s.ignores(group.facts) {
			continue
		}
		left += group.size
		for i, f := range group.facts[len(s.hard):] {
			switch {
			case f.alone:
				all[i].alone += group.size
			case f.has:
				all[i].counts[f.domain] = 0
			}
		}
	}
	for _, group := range groups {
		if s.ignores(group.facts) {
			continue
		}
		for i, f := range group.facts[len(s.hard):] {
			if _, ok := all[i].counts[f.domain]; ok && f.has && !f.alone {
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
