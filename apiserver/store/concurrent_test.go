package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"minik.dev/apiserver/resources"
)

// What readers are told in the middle of it all: a snapshot is what etcd held at the very revision that it names, and a
// watcher that was told to have seen everything up to a revision gets no event from before it any more.
func TestRevisionsAreKeptWhileOthersWrite(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	row := rowOf("configmaps")
	seed := rand.Uint64()
	t.Logf("seed of the writers: %d", seed)
	start := s.Revision()
	var written atomic.Bool
	var writers, readers sync.WaitGroup
	for i := range 4 {
		draw := rand.New(rand.NewPCG(seed, uint64(i)))
		writers.Go(func() {
			for j := range 250 {
				randomWrite(t, s, "n", draw.IntN(12), fmt.Sprintf("%d.%d", i, j))
			}
		})
	}
	snapshots := map[int64]string{} // what a revision held, from the one reader of snapshots
	readers.Go(func() {
		for !written.Load() {
			snapshot := s.Snapshot(row)
			held := shown(snapshot, row)
			if before, known := snapshots[snapshot.Revision]; known && before != held {
				t.Errorf("revision %d held %s, and then %s", snapshot.Revision, before, held)
				return
			}
			snapshots[snapshot.Revision] = held
		}
	})
	readers.Go(func() {
		w, err := s.Watch(row, start, "")
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Stop()
		for reached := start; !written.Load(); {
			events, revision, err := w.Take()
			if err != nil || revision < reached {
				t.Errorf("at revision %d, after %d: %v", revision, reached, err)
				return
			}
			for _, e := range events {
				if e.Revision <= reached || e.Revision > revision {
					t.Errorf("an event of revision %d came between %d and %d", e.Revision, reached, revision)
				}
			}
			reached = revision
		}
	})
	writers.Wait()
	written.Store(true)
	readers.Wait()
	require.Greater(t, len(snapshots), 5)
	for revision, held := range snapshots {
		stored := ""
		require.NoError(t, s.ListAt(t.Context(), row, "", revision, "", func(e *Entry) bool {
			stored += one(e)
			return true
		}))
		require.Equal(t, stored, held, "revision %d", revision)
	}
}

// shown are all objects of a snapshot.
func shown(snapshot Snapshot, row *resources.Resource) string {
	all := ""
	snapshot.Ascend(Range(row, ""), "", func(e *Entry) bool {
		all += one(e)
		return true
	})
	return all
}

func one(e *Entry) string {
	return fmt.Sprintf("%s=%s@%s ", e.Key, valueOf(e), e.Object.GetResourceVersion())
}
