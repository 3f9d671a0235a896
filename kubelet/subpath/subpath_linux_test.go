package subpath

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// patience bounds how long a race is repeated until it has been lost and won.
const patience = 30 * time.Second

// volume is a directory with a directory, a file and links in it, and outside another one with a secret.
func volume(t *testing.T) (base, outside string) {
	base, outside = filepath.Join(t.TempDir(), "volume"), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(base, "dir/deep"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(base, "dir/file"), []byte("inside"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "file"), []byte("secret"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(outside, "deep"), 0o755))
	for name, to := range map[string]string{"relative": "dir", "absolute": filepath.Join(base, "dir"), "chain": "relative/deep",
		"up": "dir/../dir/deep", "self": ".", "out": outside, "climbs": "../..", "dangling": "nowhere"} {
		require.NoError(t, os.Symlink(to, filepath.Join(base, name)))
	}
	return base, outside
}

func same(t require.TestingT, path string, file *os.File) {
	want, err := os.Stat(path)
	require.NoError(t, err)
	got, err := file.Stat()
	require.NoError(t, err)
	require.True(t, os.SameFile(want, got), "%s is not %s", file.Name(), path)
}

// https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath: links are followed as long as they stay in the volume.
func TestPartsOfAVolume(t *testing.T) {
	base, _ := volume(t)
	for part, is := range map[string]string{"": "", "dir": "dir", "dir/file": "dir/file", "relative/file": "dir/file",
		"absolute/deep": "dir/deep", "chain": "dir/deep", "up": "dir/deep", "self": "", "self/self/dir": "dir"} {
		file, err := Open(base, part)
		require.NoError(t, err, part)
		same(t, filepath.Join(base, is), file)
		require.NoError(t, file.Close())
	}
	linked := filepath.Join(t.TempDir(), "linked")
	require.NoError(t, os.Symlink(base, linked))
	file, err := Open(linked, "absolute/file")
	require.NoError(t, err, "where the volume is is its owner's to say")
	same(t, filepath.Join(base, "dir/file"), file)
	require.NoError(t, file.Close())
	for part, says := range map[string]string{"out": "out of " + base, "out/file": "out of", "out/new": "out of",
		"climbs": "out of", "climbs/etc": "out of", "dangling": "is a link that leads nowhere", "dangling/x": "is a link",
		"dir/file/x": "not a directory", "dir/../../x": "is no path below a directory"} {
		_, err := Open(base, part)
		require.ErrorContains(t, err, says, part)
	}
	require.NoFileExists(t, filepath.Join(base, "nowhere"))
	_, err = Open(filepath.Join(base, "none"), "x")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// What is missing becomes a directory that is as open as the volume, and is its group's.
func TestMissingPartsAreMade(t *testing.T) {
	base, _ := volume(t)
	require.NoError(t, os.Chmod(base, 0o777|fs.ModeSetgid))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(base, -1, 4321))
		require.NoError(t, os.Chmod(base, 0o777|fs.ModeSetgid)) // chown takes the bit away
	}
	file, err := Open(base, "new/deep")
	require.NoError(t, err)
	same(t, filepath.Join(base, "new/deep"), file)
	require.NoError(t, file.Close())
	of, err := os.Stat(base)
	require.NoError(t, err)
	for _, name := range []string{"new", "new/deep"} {
		info, err := os.Stat(filepath.Join(base, name))
		require.NoError(t, err)
		require.Equal(t, of.Mode(), info.Mode(), name)
		var made, above unix.Stat_t
		require.NoError(t, unix.Stat(filepath.Join(base, name), &made))
		require.NoError(t, unix.Stat(base, &above))
		require.Equal(t, above.Gid, made.Gid, name)
	}
}

// swapping exchanges two names for as long as the test runs, or until stop is called.
func swapping(t *testing.T, a, b string) (stop func()) {
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				ended <- nil
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
				ended <- err
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(done); require.NoError(t, <-ended) })
	t.Cleanup(stop)
	return stop
}

// Whoever exchanges a directory with a link while it is opened wins nothing: what is opened is in the volume, always.
func TestOpeningAgainstASwap(t *testing.T) {
	base, outside := volume(t)
	swapping(t, filepath.Join(base, "dir"), filepath.Join(base, "out"))
	inside, err := os.Stat(base)
	require.NoError(t, err)
	opened, refused := 0, 0
	for end := time.Now().Add(patience); opened < 1000 || refused < 1000; {
		require.True(t, time.Now().Before(end), "opened %d times, refused %d times", opened, refused)
		for _, part := range []string{"dir/file", "dir/deep", "dir"} {
			file, err := Open(base, part)
			if err != nil {
				refused++
				continue
			}
			opened++
			info, err := file.Stat()
			require.NoError(t, err)
			path, err := os.Readlink(filepath.Join("/proc/self/fd", fdOf(file))) // where it is by now, in the volume
			require.NoError(t, err)
			require.True(t, within(base, path), "%s was opened as %s", part, path)
			require.False(t, os.SameFile(inside, info))
			require.NoError(t, file.Close())
		}
	}
	text, err := os.ReadFile(filepath.Join(outside, "file"))
	require.NoError(t, err)
	require.Equal(t, "secret", string(text))
}

// Nothing is made out of the volume either.
func TestMakingAgainstASwap(t *testing.T) {
	base, outside := volume(t)
	stop := swapping(t, filepath.Join(base, "dir"), filepath.Join(base, "out"))
	made, refused := 0, 0
	for end := time.Now().Add(patience); made < 100 || refused < 100; {
		require.True(t, time.Now().Before(end), "made %d times, refused %d times", made, refused)
		file, err := Open(base, "dir/new/deeper")
		if err != nil {
			refused++
			continue
		}
		made++
		require.NoError(t, file.Close())
		// As they were: the directory that was made is in whichever of the two names is the directory.
		for _, name := range []string{"dir", "out"} {
			if root, err := os.OpenRoot(base); err == nil {
				_ = root.RemoveAll(name + "/new")
				_ = root.Close()
			}
		}
	}
	stop()
	require.NoDirExists(t, filepath.Join(outside, "new"))
}

func fdOf(file *os.File) string { return strconv.Itoa(int(file.Fd())) }

// needsMounts skips where mounts cannot be made.
func needsMounts(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
	require.NoError(t, Unbind(dir))
}

// What was opened is what is mounted, wherever its name leads by then; taking the mount away leaves what was mounted alone.
func TestBind(t *testing.T) {
	needsMounts(t)
	base, outside := volume(t)
	area := t.TempDir()
	require.NoError(t, MakePrivate(area))
	defer func() { require.NoError(t, Unbind(area)) }()
	targetDir, targetFile := filepath.Join(area, "d"), filepath.Join(area, "f")
	require.NoError(t, os.Mkdir(targetDir, 0o700))
	require.NoError(t, os.WriteFile(targetFile, nil, 0o600))
	for target, part := range map[string]string{targetDir: "dir", targetFile: "dir/file"} {
		file, err := Open(base, part)
		require.NoError(t, err)
		require.NoError(t, os.Rename(filepath.Join(base, "dir"), filepath.Join(base, "away")))
		require.NoError(t, os.Symlink(outside, filepath.Join(base, "dir")))
		require.NoError(t, Bind(file, target))
		got, err := os.Stat(target)
		require.NoError(t, err)
		opened, err := file.Stat()
		require.NoError(t, err)
		require.True(t, os.SameFile(got, opened))
		require.NoError(t, file.Close())
		mounted, err := IsMounted(target)
		require.NoError(t, err)
		require.True(t, mounted)
		require.NoError(t, Unbind(target))
		require.NoError(t, Unbind(target), "that nothing is mounted is no error")
		mounted, err = IsMounted(target)
		require.NoError(t, err)
		require.False(t, mounted)
		require.NoError(t, os.Remove(filepath.Join(base, "dir")))
		require.NoError(t, os.Rename(filepath.Join(base, "away"), filepath.Join(base, "dir")))
	}
	require.FileExists(t, filepath.Join(base, "dir/file"))
	require.NoError(t, Unbind(filepath.Join(area, "none")))
}

// What is mounted in a shared tree stays there when a copy of the tree is taken away.
func TestUnbindLeavesTheOriginal(t *testing.T) {
	needsMounts(t)
	tree, area := t.TempDir(), t.TempDir()
	require.NoError(t, unix.Mount(tree, tree, "", unix.MS_BIND, ""))
	defer func() { require.NoError(t, Unbind(tree)) }()
	require.NoError(t, unix.Mount("", tree, "", unix.MS_SHARED, ""))
	inner := filepath.Join(tree, "inner")
	require.NoError(t, os.Mkdir(inner, 0o755))
	require.NoError(t, unix.Mount("tmpfs", inner, "tmpfs", 0, "size=64k"))
	require.NoError(t, os.WriteFile(filepath.Join(inner, "file"), nil, 0o600))
	file, err := Open(tree, "")
	require.NoError(t, err)
	defer file.Close()
	target := filepath.Join(area, "copy")
	require.NoError(t, os.Mkdir(target, 0o700))
	require.NoError(t, Bind(file, target))
	require.FileExists(t, filepath.Join(target, "inner/file"))
	require.NoError(t, Unbind(target))
	require.NoFileExists(t, filepath.Join(target, "inner/file"))
	require.FileExists(t, filepath.Join(inner, "file"))
}
