package resources

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func crontabs() *Resource {
	return &Resource{Kind: schema.GroupVersionKind{Group: "stable.example.com", Version: "v1", Kind: "CronTab"}, Plural: "crontabs",
		Served: []Served{{Kind: schema.GroupVersionKind{Group: "stable.example.com", Version: "v1beta1", Kind: "CronTab"}}}}
}

func TestRegistryChangesAsAWhole(t *testing.T) {
	table := []*Resource{{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Plural: "pods"}}
	registry, err := NewRegistry(table)
	require.NoError(t, err)
	before := registry.Rows()
	row := crontabs()
	require.NoError(t, registry.Add(row))

	after := registry.Rows()
	require.Greater(t, after.Generation, before.Generation)
	require.Len(t, before.All, 1, "what somebody holds stays as it is")
	require.Nil(t, before.Named("stable.example.com", "crontabs"))
	require.Same(t, row, after.Named("stable.example.com", "crontabs"))
	found, ok := after.Find(schema.GroupVersionResource{Group: "stable.example.com", Version: "v1beta1", Resource: "crontabs"})
	require.True(t, ok)
	require.Equal(t, "v1beta1", found.Kind().Version)

	registry.Remove(row)
	_, ok = registry.Rows().Find(schema.GroupVersionResource{Group: "stable.example.com", Version: "v1", Resource: "crontabs"})
	require.False(t, ok)
	require.Same(t, table[0], registry.Rows().Named("", "pods"))
}

func TestRegistryRefusesWhatIsServedAlready(t *testing.T) {
	registry, err := NewRegistry([]*Resource{crontabs()})
	require.NoError(t, err)
	before := registry.Rows()
	require.ErrorContains(t, registry.Add(crontabs()), "is served already")
	sameKind := crontabs()
	sameKind.Plural = "tabs"
	require.ErrorContains(t, registry.Add(sameKind), "is the kind of crontabs already")
	require.Same(t, before, registry.Rows(), "a refused change changes nothing")
	_, err = NewRegistry([]*Resource{crontabs(), crontabs()})
	require.Error(t, err)
}

// Readers take no lock, and see each row either everywhere or nowhere.
func TestRegistryIsReadWhileItChanges(t *testing.T) {
	registry, err := NewRegistry(nil)
	require.NoError(t, err)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 2000 {
				rows := registry.Rows()
				_, found := rows.Find(schema.GroupVersionResource{Group: "stable.example.com", Version: "v1", Resource: "crontabs"})
				if found != (rows.Named("stable.example.com", "crontabs") != nil) || found != (len(rows.All) == 1) {
					t.Error("half of a row was seen")
				}
			}
		})
	}
	for range 500 {
		row := crontabs()
		require.NoError(t, registry.Add(row))
		registry.Remove(row)
	}
	wait.Wait()
}
