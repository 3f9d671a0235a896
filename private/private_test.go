//go:build unix

package private

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Only one's own directories are trusted, and under sudo those of the user who typed it.
func TestTrusts(t *testing.T) {
	for _, c := range []struct {
		owner, me int
		sudo      string
		want      bool
	}{
		{1000, 1000, "", true},
		{0, 0, "", true},
		{1000, 0, "1000", true},
		{1001, 0, "1000", false},
		{1000, 0, "", false},
		{0, 1000, "", false},
		{1001, 1000, "1001", false}, // anybody can set a variable of the environment: it counts for root alone
	} {
		require.Equal(t, c.want, trusts(c.owner, c.me, c.sudo), "%+v", c)
	}
}

// A directory that is open is closed, one that another user made first is refused, and so is a file.
func TestMake(t *testing.T) {
	t.Setenv("SUDO_UID", "")
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(open, 0o700))
	require.NoError(t, os.Chmod(open, 0o777))
	require.NoError(t, Make(open))
	info, err := os.Stat(open)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Error(t, Make(file))
	require.ErrorContains(t, Check(file), "is no directory")

	if os.Geteuid() != 0 {
		t.Skip("only root can make a directory of another user's")
	}
	foreign := filepath.Join(t.TempDir(), "foreign")
	require.NoError(t, os.Mkdir(foreign, 0o700))
	require.NoError(t, os.Chown(foreign, 65534, 65534))
	require.ErrorContains(t, Make(foreign), "belongs to user 65534")
}

// What is to be found at a name that was just made is not there where others could put something else in its place.
func TestTemporary(t *testing.T) {
	shared := t.TempDir()
	t.Setenv("TMPDIR", shared)
	dir, err := Temporary("minik-")
	require.NoError(t, err)
	require.NoError(t, Check(dir))

	require.NoError(t, os.Chmod(shared, 0o777))
	_, err = Temporary("minik-")
	require.ErrorContains(t, err, "other users can replace what lies in "+shared)
	left, err := os.ReadDir(shared)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing is left behind")

	require.NoError(t, os.Chmod(shared, 0o777|os.ModeSticky))
	_, err = Temporary("minik-")
	require.NoError(t, err)
}
