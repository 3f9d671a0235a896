package etcd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Etcd has one door, a file in a directory of its own user's; a directory that was open is closed.
func TestTheSocketIsThisUsersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chmod(dir, 0o777))
	withEtcd(t, dir, func(e *Server) {
		path := strings.TrimPrefix(e.Endpoint, "unix://")
		for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode().Perm(), name)
		}
		remote, err := Connect(t.Context(), []string{e.Endpoint})
		require.NoError(t, err, "etcdctl finds it")
		require.NoError(t, remote.Stop())
	})
}

// Where the path of a data directory is too long for a socket, a new directory is made that nobody could know of before: one
// that lies where an earlier minik looked is not used, whoever made it. What a killed process left is removed, and nothing else.
func TestALongDataDirectory(t *testing.T) {
	temporary, err := os.MkdirTemp("", "s") // short enough for sockets
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(temporary)) })
	t.Setenv("TMPDIR", temporary)
	data := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	bait := filepath.Join(temporary, shortPrefix+"bait")
	require.NoError(t, os.MkdirAll(bait, 0o777))

	var first string
	withEtcd(t, data, func(e *Server) {
		first = filepath.Dir(strings.TrimPrefix(e.Endpoint, "unix://"))
		require.Equal(t, temporary, filepath.Dir(first))
		require.NotEqual(t, bait, first)
		remote, err := Connect(t.Context(), []string{e.Endpoint})
		require.NoError(t, err)
		require.NoError(t, remote.Stop())
	})
	require.NoDirExists(t, first)

	// A process that was killed leaves its directory, and says so beside the data.
	require.NoError(t, os.Mkdir(first, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, elsewhere), []byte(first+"\n"+data), 0o600))
	withEtcd(t, data, func(*Server) { require.NoDirExists(t, first) })

	// What somebody else is said to have left is none of its business.
	other := filepath.Join(temporary, "other")
	require.NoError(t, os.Mkdir(other, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, elsewhere), []byte(other+"\n"+data), 0o600))
	withEtcd(t, data, func(*Server) {})
	require.DirExists(t, other)
}
