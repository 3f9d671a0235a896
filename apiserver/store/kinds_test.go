package store

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func crontab(name string, n int64) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"a": map[string]any{"metadata": n}}}
	obj.SetNamespace("default")
	obj.SetName(name)
	return obj
}

// A kind that comes while the server runs brings along what etcd holds of it, is watched and written as any other, and goes
// again: those who watch it are told, the others notice nothing.
func TestAKindComesAndGoes(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	row, configMaps := crontabs(), rowOf("configmaps")
	others, _ := s.WatchNow(configMaps, "")
	defer others.Stop()

	before, _ := s.Get(row, "default", "early")
	require.Nil(t, before)
	early, err := s.Create(t.Context(), row, crontab("early", 1), entryFor("early"))
	require.NoError(t, err, "nobody keeps it yet, and it is in etcd all the same")
	require.NoError(t, s.Add(t.Context(), row))
	got, _ := s.Get(row, "default", "early")
	require.NotNil(t, got)
	require.Equal(t, early.Revision, got.Revision)

	w, snapshot := s.WatchNow(row, "")
	require.Equal(t, 1, snapshot.Len())
	written, err := s.Create(t.Context(), row, crontab("late", 2), entryFor("late"))
	require.NoError(t, err)
	events, err := w.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, written.Revision, events[0].Revision)
	updated, err := s.Update(t.Context(), row, written, crontab("late", 3), entryFor("late"))
	require.NoError(t, err)
	require.NoError(t, s.Fresh(t.Context()))
	require.NotZero(t, s.windows.Load())

	s.Remove(row)
	for err = error(nil); err == nil; {
		_, err = w.Next(t.Context())
	}
	require.ErrorIs(t, err, ErrRemoved)
	w.Stop()
	gone, _ := s.Get(row, "default", "late")
	require.Nil(t, gone)
	_, err = s.Watch(row, updated.Revision, "")
	require.ErrorIs(t, err, ErrRemoved)
	late, empty := s.WatchNow(row, "")
	require.Zero(t, empty.Len())
	_, _, err = late.Take()
	require.ErrorIs(t, err, ErrRemoved)
	require.Zero(t, s.windows.Load(), "what was kept for those who watch is given back")

	_, err = s.Create(t.Context(), configMaps, configMap("default", "other", "v"), entryFor("other"))
	require.NoError(t, err)
	events, err = others.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "other", events[0].Entry.Object.GetName())

	require.NoError(t, s.Add(t.Context(), row))
	again, _ := s.Get(row, "default", "late")
	require.Equal(t, updated.Revision, again.Revision, "its objects are still in etcd")
	_, pending := s.written.Load(Key(row, "default", "late"))
	require.False(t, pending)
}

// Whatever is written while a kind comes is in its cache afterwards, once.
func TestAKindComesWhileItsObjectsAreWritten(t *testing.T) {
	client := startEtcd(t)
	s, _ := startStore(t, client, "a", false)
	writer, _ := startStore(t, client, "b", false)
	row := crontabs()
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for n := range 50 {
				name := fmt.Sprintf("tab-%d-%d", i, n)
				_, err := writer.Create(context.Background(), row, crontab(name, int64(n)), entryFor(name))
				if err != nil {
					t.Errorf("creating %s: %v", name, err)
				}
			}
		})
	}
	for range 20 {
		require.NoError(t, s.Add(t.Context(), row))
	}
	w, snapshot := s.WatchNow(row, "")
	defer w.Stop()
	seen := map[string]bool{}
	snapshot.Ascend(Range(row, ""), "", func(e *Entry) bool { seen[e.Key] = true; return true })
	wait.Wait()
	require.NoError(t, s.Fresh(t.Context()))
	events, _, err := w.Take()
	require.NoError(t, err)
	for _, e := range events {
		require.False(t, seen[e.Entry.Key], "%s came twice", e.Entry.Key)
		seen[e.Entry.Key] = true
	}
	require.Len(t, seen, 200)
	require.Equal(t, 200, s.Snapshot(row).Len())
}

// A kind can't come to a store that does not run, and nobody waits for ever.
func TestAKindWaitsForTheStore(t *testing.T) {
	s := New(nil, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Add(ctx, crontabs()), context.Canceled)
}
