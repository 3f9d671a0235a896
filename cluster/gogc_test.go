package cluster

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// Memory is traded for time where there are simulated nodes, but not too many, and $GOGC decides otherwise.
func TestCollectLess(t *testing.T) {
	const own = 137
	before := debug.SetGCPercent(own)
	defer debug.SetGCPercent(before)
	for _, c := range []struct {
		env         string
		nodes, want int
	}{{"", 0, own}, {"", 1, gcPercent}, {"", collectLessUpTo, gcPercent}, {"", collectLessUpTo + 1, own}, {"137", collectLessUpTo, own}} {
		t.Setenv("GOGC", c.env)
		CollectLess(c.nodes)
		require.Equal(t, c.want, debug.SetGCPercent(own), "%d nodes, GOGC %q", c.nodes, c.env)
	}
}
