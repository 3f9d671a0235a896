package controllers

import "math/rand"

// random makes choices that follow from a seed.
type random struct{ *rand.Rand }

func newRandom(seed int64) random { return random{rand.New(rand.NewSource(seed))} }

// oneIn is true one time in n.
func (r random) oneIn(n int) bool { return r.Intn(n) == 0 }

// pick is one of the values, those that are named twice more often.
func pick[T any](r random, of ...T) T { return of[r.Intn(len(of))] }
