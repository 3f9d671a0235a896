package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// How far history is forgotten: whichever bound is reached first, and never what the last five minutes need.
func TestHorizon(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(revision int64, d time.Duration) mark { return mark{revision: revision, at: noon.Add(-d)} }
	marks := []mark{ago(10, 3*time.Hour), ago(20, 2*time.Hour), ago(30, time.Hour), ago(40, 10*time.Minute), ago(50, time.Minute)}
	for _, c := range []struct {
		name    string
		marks   []mark
		used    int64
		history History
		until   int64
		reason  string
	}{
		{"nothing bounds it", marks, 1 << 40, History{}, 0, ""},
		{"no marks yet", nil, 0, History{Age: time.Hour}, 0, "history is kept for 1h0m0s"},
		{"younger than its age", marks, 0, History{Age: 4 * time.Hour}, 0, "history is kept for 4h0m0s"},
		{"one mark is just as old", marks, 0, History{Age: 2 * time.Hour}, 20, "history is kept for 2h0m0s"},
		{"older than its age", marks, 0, History{Age: 90 * time.Minute}, 20, "history is kept for 1h30m0s"},
		{"within its size", marks, 100, History{Age: 2 * time.Hour, Bytes: 100}, 20, "history is kept for 2h0m0s"},
		{"over its size", marks, 101, History{Age: 2 * time.Hour, Bytes: 100}, 40, "etcd uses 101 bytes, more than 100"},
		{"over its size, of any age", marks, 101, History{Bytes: 100}, 40, "etcd uses 101 bytes, more than 100"},
		{"within its size, of any age", marks, 99, History{Bytes: 100}, 0, ""},
		{"over its size, and young anyway", marks, 101, History{Age: time.Minute, Bytes: 100}, 50, "history is kept for 1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			until, reason := horizon(c.marks, c.used, c.history, noon)
			require.Equal(t, c.until, until)
			require.Equal(t, c.reason, reason)
		})
	}
}

// Compaction forgets old states and the buckets of the journal that lie wholly in what was forgotten. The newest bucket of
// each server stays, so that a server that starts again goes on behind it.
func TestCompactionDeletesBucketsAndARestartGoesOnBehindThem(t *testing.T) {
	client := startEtcd(t)
	s, stop := startStore(t, client, "a", true)
	ctx, row := t.Context(), rowOf("configmaps")
	current, err := s.Create(ctx, row, configMap("n", "a", "0"), entryFor("a"))
	require.NoError(t, err)
	first := current.Revision
	write := func(value string) int64 {
		current, err = s.Update(ctx, row, current, configMap("n", "a", value), entryFor("a"))
		require.NoError(t, err)
		return current.Revision
	}
	write("1")
	s.journal.next.Store(bucketSize) // as if the first bucket were full
	second := write("2")
	s.journal.next.Store(2 * bucketSize)
	third := write("3")
	require.Equal(t, []string{bucketKey("a", 0), bucketKey("a", 1), bucketKey("a", 2)}, buckets(t, client))

	require.NoError(t, s.compact(ctx, second))
	require.Equal(t, []string{bucketKey("a", 2)}, buckets(t, client))
	require.NoError(t, s.compact(ctx, second), "again is no error")
	require.NoError(t, s.compact(ctx, third))
	require.Equal(t, []string{bucketKey("a", 2)}, buckets(t, client), "the newest stays")
	require.NoError(t, s.Fresh(ctx))
	_, err = s.Entry(ctx, first)
	require.ErrorIs(t, err, ErrGone)
	kept, err := s.Entry(ctx, third)
	require.NoError(t, err)
	require.Equal(t, "a", kept.Name)
	require.ErrorIs(t, isGone(s.ListAt(ctx, row, "", first, "", func(*Entry) bool { return true })), ErrGone)

	stop()
	s, _ = startStore(t, client, "a", true)
	write("4")
	require.Equal(t, []string{bucketKey("a", 2), bucketKey("a", 3)}, buckets(t, client))
}

// The age of what earlier runs wrote counts from when they wrote it.
func TestHistoryGrowsOldWhileNoServerRuns(t *testing.T) {
	client := startEtcd(t)
	s, stop := startStore(t, client, "a", true)
	require.Empty(t, s.earlierMark(t.Context()), "nothing was written yet")
	entry := entryFor("a")
	entry.Time = time.Now().Add(-2 * time.Hour).UTC()
	written, err := s.Create(t.Context(), rowOf("configmaps"), configMap("n", "a", "0"), entry)
	require.NoError(t, err)
	stop()
	_, err = client.Put(t.Context(), "/registry/leases/n/a", "{}") // without an entry
	require.NoError(t, err)
	s, _ = startStore(t, client, "a", true)
	require.Equal(t, []mark{{revision: written.Revision, at: entry.Time}}, s.earlierMark(t.Context()))
}

func isGone(err error) error {
	if isCompacted(err) {
		return ErrGone
	}
	return err
}

func buckets(t *testing.T, client *clientv3.Client) []string {
	response, err := client.Get(t.Context(), journals, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	require.NoError(t, err)
	var keys []string
	for _, kv := range response.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys
}
