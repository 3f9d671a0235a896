package fidelity

import "testing"

// TestValidation holds the mistakes and warnings of writes to upstream's: the same paths, types, details and values.
func TestValidation(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) { report(t, compared(t, k), mistake, shows, warns) })
}
