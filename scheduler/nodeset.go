package scheduler

import (
	"math/bits"
	"slices"
)

// slots is a set of nodes, one bit for each slot of the snapshot.
type slots []uint64

func newSlots(nodes int) slots { return make(slots, (nodes+63)/64) }

func (s slots) add(slot int)    { s[slot/64] |= 1 << (slot % 64) }
func (s slots) remove(slot int) { s[slot/64] &^= 1 << (slot % 64) }

func (s slots) has(slot int) bool {
	return slot/64 < len(s) && s[slot/64]&(1<<(slot%64)) != 0
}

func (s slots) count() int {
	count := 0
	for _, word := range s {
		count += bits.OnesCount64(word)
	}
	return count
}

// nth is the member that has n members before it.
func (s slots) nth(n int) int {
	for i, word := range s {
		ones := bits.OnesCount64(word)
		if n >= ones {
			n -= ones
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1
		}
		return i*64 + bits.TrailingZeros64(word)
	}
	return -1
}

// all yields the members in ascending order.
func (s slots) all(yield func(slot int) bool) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			if !yield(i*64 + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}

func union(groups []*group, which []int) slots {
	all := slices.Clone(groups[which[0]].members)
	for _, g := range which[1:] {
		for i, word := range groups[g].members {
			all[i] |= word
		}
	}
	return all
}
