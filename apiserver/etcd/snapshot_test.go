package etcd

import (
	"fmt"
	"os"
	"path/filepath"
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
	_, err = Restore(t.Context(), path, made, final)
	require.NoError(t, err)
	require.NoError(t, os.Rename(made, final))
	next := last
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
		_, err = Restore(t.Context(), bad, filepath.Join(dir, "made"), filepath.Join(dir, "b"))
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
