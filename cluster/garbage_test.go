package cluster

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// Memory is traded for time where there are many nodes, and neither too many nor a user who decided about it.
func TestCollectLess(t *testing.T) {
	const own = 137
	before := debug.SetGCPercent(own)
	defer debug.SetGCPercent(before)
	for _, c := range []struct {
		env         string
		nodes, want int
	}{{"", 0, own}, {"", 1, gcPercent}, {"", mostNodes, gcPercent}, {"", mostNodes + 1, own}, {"137", mostNodes, own}} {
		t.Setenv("GOGC", c.env)
		CollectLess(c.nodes)
		require.Equal(t, c.want, debug.SetGCPercent(own), "%d nodes, GOGC %q", c.nodes, c.env)
	}
}
