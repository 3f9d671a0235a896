package scheduler

import (
	"encoding/binary"
)

// Plugins that compare nodes have each node state facts, and add up those of the nodes that are one domain.

// fact is what one node states about one question.
type fact struct {
	has     bool   // the node has the label
	domain  string // the label's value
	alone   bool   // no other node has that value, so the domain is the node, and need not be named
	counted bool   // the inclusion policies let the node count
	count   int64  // what the node adds to its domain; 0 where it is not counted
}

// facts are what a node states to each plugin that compares nodes.
type facts [factsPlaces][]fact

// factsOf are the node's facts, but for those that only a feasible node states.
func (p *Profile) factsOf(s *shape, n *NodeInfo, alone alone) facts {
	var all facts
	for _, c := range p.comparisons {
		if !c.feasibleOnly {
			all[c.place] = c.facts(s, n, alone[c.place])
		}
	}
	return all
}

// append adds the facts to a key that tells them apart.
func (f *facts) append(b []byte) []byte {
	for _, list := range f {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, f := range list {
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
	}
	return b
}

func hasAll(facts []fact) bool {
	for _, f := range facts {
		if !f.has {
			return false
		}
	}
	return true
}

// alone says of the keys of each plugin which of them no two nodes have the same value of, such as a hostname. The zero
// value says it of none.
type alone [factsPlaces][]bool

func standAlone(p *Profile, s *shape, snapshot *Snapshot) alone {
	var all alone
	for _, c := range p.comparisons {
		if c.keys == nil {
			continue
		}
		for _, key := range c.keys(s) {
			all[c.place] = append(all[c.place], snapshot.standAlone(key))
		}
	}
	return all
}

// domains are the counts by domain. Nodes that stand for themselves have no entry: their own fact is their domain's count.
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
