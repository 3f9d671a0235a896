package cluster

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"minik.dev/apiserver/etcd"
)

// A restore looks for the newest revision that anybody may know: in the store that is there and in those that were put aside. Where
// there was a store, and none is left, nobody can say.
func TestNewestRevision(t *testing.T) {
	h := dataDirectory{dir: t.TempDir()}
	require.EqualValues(t, 0, h.newestRevision(), "a new directory")
	_, err := openPKI(h.pki(), time.Unix(1_800_000_000, 0))
	require.NoError(t, err)
	require.EqualValues(t, -1, h.newestRevision(), "there are certificates, so there was a store")

	write := func(dir string, times int) {
		e, err := etcd.Start(t.Context(), etcd.Options{Dir: dir, Volatile: true})
		require.NoError(t, err)
		for range times {
			_, err := e.Client.Put(t.Context(), "/a", "b")
			require.NoError(t, err)
		}
		require.NoError(t, e.Stop())
	}
	write(filepath.Join(h.path(former), "monday"), 5)
	require.EqualValues(t, 6, h.newestRevision(), "a restore was cut off, and its data lies aside")
	write(h.etcd(), 2)
	require.EqualValues(t, 6, h.newestRevision(), "an earlier store had got further")
	write(h.etcd(), 10)
	require.EqualValues(t, 13, h.newestRevision())
}

// A restore that was cut off before the restored data took their place is said so, in the place of an empty cluster.
func TestARestoreThatWasCutOff(t *testing.T) {
	h := dataDirectory{dir: t.TempDir()}
	require.NoError(t, h.checkRestored())
	require.NoError(t, os.MkdirAll(h.path(restoring), 0o700))
	require.ErrorContains(t, h.checkRestored(), "a restore was cut off: do it again")
	require.NoError(t, os.MkdirAll(h.etcd(), 0o700))
	require.NoError(t, h.checkRestored())
}
