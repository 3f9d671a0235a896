package fidelity

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStatus holds writes of the status to upstream's: what is stored, the mistakes and the warnings.
func TestStatus(t *testing.T) {
	for _, k := range statuses() {
		t.Run(k.String(), func(t *testing.T) {
			require.Contains(t, statusStrategies, k.GroupKind(), "upstream has a strategy for it: say where")
			if differingStatus[k.String()] && !*all {
				t.Skip("it is known to differ: run with -all")
			}
			f := newFound()
			k.statusWrites(t, func(w write) { f.compare(k, w, k.upstream(w), k.minik(w)) })
			require.NotZero(t, f.judged, "upstream can't read any of them")
			report(t, f, defaults, mistake, shows, warns, broken)
		})
	}
}
