package store

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"minik.dev/journal"
)

// What the index finds of an object is what a walk over the whole journal finds, while the journal is written, when the index
// was made before or after, at each revision, and after a compaction.
func TestTheIndexFindsWhatAWalkFinds(t *testing.T) {
	client := startEtcd(t)
	a, _ := startStore(t, client, "a", false)
	b, _ := startStore(t, client, "b", false)
	ctx := t.Context()
	subject := func(i int) Subject {
		return Subject{Resource: "configmaps", Namespace: "n", Name: fmt.Sprintf("m%d", i)}
	}
	write := func(s *Store, i int, value string) {
		name := subject(i).Name
		note := &journal.Entry{Verb: "write", Resource: "configmaps", Namespace: "n", Name: name}
		row := rowOf("configmaps")
		require.NoError(t, s.Fresh(ctx))
		old, _ := s.Get(row, "n", name)
		var err error
		switch {
		case old == nil:
			_, err = s.Create(ctx, row, configMap("n", name, value), note)
		case len(value)%4 == 0:
			err = s.Delete(ctx, row, old, note)
		default:
			_, err = s.Update(ctx, row, old, configMap("n", name, value), note)
		}
		require.NoError(t, err)
	}
	// A bucket's last entry is walked over even where it is older than what is kept: it is what lies there now.
	same := func(from, oldest int64) {
		t.Helper()
		walked := map[Subject][]int64{}
		require.NoError(t, a.Journal(ctx, from, func(r Recorded) bool {
			if r.Revision >= oldest {
				walked[subjectOf(&r.Entry)] = append(walked[subjectOf(&r.Entry)], r.Revision)
			}
			return true
		}))
		for i := range 4 {
			var found []int64
			require.NoError(t, a.JournalOf(ctx, subject(i), from, func(r Recorded) bool {
				require.Equal(t, subject(i), subjectOf(&r.Entry))
				found = append(found, r.Revision)
				return true
			}))
			require.Equal(t, walked[subject(i)], found)
		}
	}
	value := ""
	for i := range 40 {
		value += "x"
		write([]*Store{a, b}[i%2], i%3, value)
	}
	var wait sync.WaitGroup
	wait.Go(func() { // the index is made while others write
		for range 20 {
			require.NoError(t, a.JournalOf(ctx, subject(0), a.Revision(), func(Recorded) bool { return true }))
		}
	})
	for i := range 40 {
		value += "x"
		write(b, i%4, value)
	}
	wait.Wait()
	require.NoError(t, a.Fresh(ctx))
	newest := a.Revision()
	for _, from := range []int64{newest, newest - 7, newest - 50, 3} {
		same(from, 0)
	}
	require.NoError(t, a.compact(ctx, newest-20))
	same(newest, newest-20)
	a.index.reset()
	same(newest, newest-20)
	var n int
	require.NoError(t, a.JournalOf(ctx, subject(1), newest, func(Recorded) bool { n++; return false }))
	require.Equal(t, 1, n)
}
