package fidelity

import "testing"

// TestDefaults holds the objects that are stored to those that upstream stores: what is filled in, kept, cleared and counted.
func TestDefaults(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) { report(t, compared(t, k), defaults, broken) })
}
