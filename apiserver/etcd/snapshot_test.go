package etcd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A restored store is the one that was saved: every key with its revisions, the history that was kept and no more, and the
// next write follows on the last one. What was written after the snapshot is not in it.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	saved := map[int64][]string{}
	var compacted, last int64
	var s Snapshot

	withEtcd(t, filepath.Join(dir, "a"), func(local *Server) {
		client := local.Client
		for i := range 30 {
			response, err := client.Put(t.Context(), fmt.Sprintf("/registry/pods/default/p%d", i%7), fmt.Sprint(i))
			require.NoError(t, err)
			last = response.Header.Revision
		}
		response, err := client.Delete(t.Context(), "/registry/pods/default/p3")
		require.NoError(t, err)
		last = response.Header.Revision
		put, err := client.Put(t.Context(), "/minik/journal/apiserver/1", "entry")
		require.NoError(t, err)
		last = put.Header.Revision
		compacted = last - 10
		_, err = client.Compact(t.Context(), compacted)
		require.NoError(t, err)
		for revision := compacted; revision <= last; revision++ {
			saved[revision] = everything(t, client, revision)
		}
		remote, err := Connect(t.Context(), []string{local.Endpoint})
		require.NoError(t, err)
		s, err = Save(t.Context(), remote.Client, path)
		require.NoError(t, err)
		_, err = Save(t.Context(), remote.Client, path)
		require.ErrorContains(t, err, "is there already")
		require.NoError(t, remote.Stop())
		_, err = client.Put(t.Context(), "/registry/pods/default/late", "x")
		require.NoError(t, err)
	})
	require.Equal(t, last, s.Revision)
	require.Equal(t, 6, s.Objects)
	verified, err := Verify(path)
	require.NoError(t, err)
	require.Equal(t, s, verified)

	made, final := filepath.Join(dir, "made"), filepath.Join(dir, "b")
	_, next, err := Restore(t.Context(), path, made, Restored{Above: last + 5000,
		Record: func(revision int64) (key, value []byte, err error) {
			return []byte("/minik/journal/restore/1"), fmt.Append(nil, revision), nil
		}})
	require.NoError(t, err)
	require.Greater(t, next, last+5000, "nobody knows a later one")
	require.NoError(t, os.Rename(made, final))
	saved[next] = append([]string{fmt.Sprintf("/minik/journal/restore/1=%d %d %d 1", next, next, next)}, saved[last]...)
	slices.Sort(saved[next])
	for range 2 { // and after a restart
		withEtcd(t, final, func(e *Server) {
			for revision, want := range saved {
				require.Equal(t, want, everything(t, e.Client, revision), "at revision %d", revision)
			}
			_, err := e.Client.Get(t.Context(), "/", clientv3.WithRev(compacted-1))
			require.ErrorIs(t, err, rpctypes.ErrCompacted)
			next++
			response, err := e.Client.Put(t.Context(), "/registry/pods/default/p1", "new")
			require.NoError(t, err)
			require.Equal(t, next, response.Header.Revision)
			members, err := e.Client.MemberList(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"unix://" + filepath.Join(final, "client.sock")}, members.Members[0].ClientURLs)
		})
	}
}

// withEtcd runs f with an embedded etcd.
func withEtcd(t *testing.T, dir string, f func(*Server)) {
	t.Helper()
	e, err := Start(t.Context(), Options{Dir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Stop()) }()
	f(e)
}

// everything is each key of a revision with its own revisions.
func everything(t *testing.T, client *clientv3.Client, revision int64) []string {
	response, err := client.Get(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithRev(revision))
	require.NoError(t, err)
	var out []string
	for _, kv := range response.Kvs {
		out = append(out, fmt.Sprintf("%s=%s %d %d %d", kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version))
	}
	return out
}

// A file of which one byte has changed, or one is missing, is refused, and nothing is left of the attempt.
func TestDamagedSnapshots(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	withEtcd(t, filepath.Join(dir, "a"), func(local *Server) {
		_, err := local.Client.Put(t.Context(), "/registry/pods/default/p", "1")
		require.NoError(t, err)
		remote, err := Connect(t.Context(), []string{local.Endpoint})
		require.NoError(t, err)
		_, err = Save(t.Context(), remote.Client, path)
		require.NoError(t, err)
		require.NoError(t, remote.Stop())
	})
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	damage := func(change func([]byte) []byte) {
		t.Helper()
		bad := filepath.Join(dir, "bad.db")
		require.NoError(t, os.WriteFile(bad, change(append([]byte(nil), whole...)), 0o600))
		_, err := Verify(bad)
		require.Error(t, err)
		_, _, err = Restore(t.Context(), bad, filepath.Join(dir, "made"), Restored{})
		require.Error(t, err)
		require.NoDirExists(t, filepath.Join(dir, "made"))
	}
	for _, at := range []int{0, 100, 5000, len(whole) / 2, len(whole) - 33, len(whole) - 1} {
		damage(func(b []byte) []byte { b[at] ^= 1; return b })
	}
	damage(func([]byte) []byte { return nil })
	damage(func(b []byte) []byte { return b[:len(b)-1] })
	damage(func(b []byte) []byte { return b[:len(b)-32] })
	damage(func(b []byte) []byte { return append(b, 0) })
}

// A restored store goes on at a revision that nobody can know, and that is easy to tell.
func TestForward(t *testing.T) {
	for _, c := range []struct{ saved, above, want int64 }{
		{1878, 0, 1_000_000},
		{1878, 2500, 1_000_000},
		{1878, 1_000_300, 2_000_000},
		{1_000_300, 1878, 2_000_000},
		{1878, 999_000, 2_000_000}, // some of the log may not be in the database yet
		{1878, -1, 1_001_000_000},
	} {
		require.Equal(t, c.want, forward(c.saved, c.above), "%+v", c)
	}
	dir := t.TempDir()
	require.EqualValues(t, 0, Newest(filepath.Join(dir, "none")))
	withEtcd(t, filepath.Join(dir, "a"), func(e *Server) {
		_, err := e.Client.Put(t.Context(), "/a", "b")
		require.NoError(t, err)
	})
	require.EqualValues(t, 2, Newest(filepath.Join(dir, "a")))
	require.NoError(t, os.Truncate(databaseOf(filepath.Join(dir, "a")), 4096))
	require.EqualValues(t, -1, Newest(filepath.Join(dir, "a")))
}

// A snapshot that is not finished, because its process was killed, leaves nothing.
func TestASnapshotThatIsNotFinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	file, name, _, err := createHidden(path)
	require.NoError(t, err)
	require.NoError(t, file.Close()) // as the end of the process does
	if strings.HasSuffix(name, partSuffix) {
		t.Skip("the file system has no files without names")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, left)
}
