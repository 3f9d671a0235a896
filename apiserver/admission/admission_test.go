package admission

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPhasesRunInOrderAndEndAtTheFirstRefusal(t *testing.T) {
	var ran []string
	says := func(name string, err error) func(context.Context, *Request) error {
		return func(context.Context, *Request) error {
			ran = append(ran, name)
			return err
		}
	}
	refused := errors.New("no")
	chain := Chain{
		{Name: "A", Mutate: says("A mutates", nil), Validate: says("A validates", nil)},
		{Name: "B", Allocate: says("B allocates", nil), Validate: says("B validates", refused)},
		{Name: "C", Mutate: says("C mutates", nil), Validate: says("C validates", nil)},
	}
	r := &Request{}
	require.NoError(t, chain.Mutate(t.Context(), r))
	require.NoError(t, chain.Allocate(t.Context(), r))
	require.ErrorIs(t, chain.Validate(t.Context(), r), refused)
	require.Equal(t, []string{"A mutates", "C mutates", "B allocates", "A validates", "B validates"}, ran)
}

// A plugin that has nothing to do in any phase is none.
func TestEveryPluginDoesSomething(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range NewChain(Options{Services: netip.MustParsePrefix("10.96.0.0/16")}) {
		require.True(t, p.Mutate != nil || p.Allocate != nil || p.Validate != nil, p.Name)
		require.False(t, seen[p.Name], p.Name)
		seen[p.Name] = true
	}
}
