package scheduling

import "math/rand"

// random makes choices that follow from a seed.
type random struct{ *rand.Rand }

func newRandom(seed int64) random { return random{rand.New(rand.NewSource(seed))} }

// oneIn is true one time in n.
func (r random) oneIn(n int) bool { return r.Intn(n) == 0 }

// upTo is a number from 0 to n.
func (r random) upTo(n int) int { return r.Intn(n + 1) }

// pick is one of the values, those that are named twice more often.
func pick[T any](r random, of ...T) T { return of[r.Intn(len(of))] }

// some are a few of the values, at least one, in order.
func some[T any](r random, of ...T) []T {
	var chosen []T
	for _, v := range of {
		if r.oneIn(len(of)) {
			chosen = append(chosen, v)
		}
	}
	if chosen == nil {
		chosen = append(chosen, pick(r, of...))
	}
	return chosen
}
