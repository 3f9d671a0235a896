package cluster

import (
	"context"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The API server is told of the parts in its own process whether they run; of an API server alone there are none.
func TestComponentsOfThisProcess(t *testing.T) {
	c, err := New(Options{DataDir: t.TempDir(), Ephemeral: true, Nodes: 1})
	require.NoError(t, err)
	c.parts.init(t.Context(), c.options.Logger, c.options.Clock)
	c.parts.nextStage()
	components := c.components()
	require.Len(t, components, 2)
	require.ErrorContains(t, components["scheduler"](), "it has not started yet")

	began := make(chan struct{})
	c.parts.run(theScheduler, func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		return nil
	})
	require.NoError(t, components["scheduler"]())
	<-began
	var goroutines strings.Builder
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&goroutines, 1))
	require.Contains(t, goroutines.String(), `{"part":"the scheduler"}`, "profiles tell the parts apart")
	require.ErrorContains(t, components["controller-manager"](), "it has not started yet")
	require.NoError(t, c.parts.stop())
	require.ErrorContains(t, components["scheduler"](), "it has ended")

	c.stages = []stage{{"API server", c.startAPIServer}}
	require.Empty(t, c.components())
}
