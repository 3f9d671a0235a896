package cluster

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the user says of garbage stands.
func TestCollectLess(t *testing.T) {
	const own = 137
	before := debug.SetGCPercent(own)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "137")
	CollectLess()
	require.Equal(t, own, debug.SetGCPercent(own))
	t.Setenv("GOGC", "")
	CollectLess()
	require.Equal(t, gcPercent, debug.SetGCPercent(own))
}
