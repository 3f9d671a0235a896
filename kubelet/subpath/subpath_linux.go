package subpath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Open opens a part of the directory base, or base itself where part is "". Links in base are followed, and those in part as
// long as they stay in base. A directory that is missing on the way is made, as open as base is. What is returned names a
// file and cannot be read: it is for Stat and for [Bind].
func Open(base, part string) (*os.File, error) {
	flags := unix.O_PATH
	if part != "" {
		flags |= unix.O_DIRECTORY
	}
	root, err := filepath.EvalSymlinks(base)
	if err != nil {
		return nil, err
	}
	dir, err := os.OpenFile(root, flags, 0)
	if err != nil || part == "" {
		return dir, err
	}
	defer func() { _ = dir.Close() }()
	names, err := resolve(root, part)
	if err != nil {
		return nil, err
	}
	info, err := dir.Stat()
	if err != nil {
		return nil, err
	}
	return walk(dir, names, info.Mode())
}

// walk goes down from a directory and follows no link; a name that is missing becomes a directory with the mode. dir stays
// the caller's.
func walk(dir *os.File, names []string, mode fs.FileMode) (*os.File, error) {
	at, err := openAt(dir, ".", unix.O_PATH)
	for _, name := range names {
		if err != nil {
			return nil, err
		}
		next, nextErr := step(at, name, mode)
		_ = at.Close()
		at, err = next, nextErr
	}
	return at, err
}

// step opens one name of a directory, which is made where it is missing.
func step(dir *os.File, name string, mode fs.FileMode) (*os.File, error) {
	next, err := openAt(dir, name, unix.O_PATH)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeAt(dir, name, mode); err != nil {
			return nil, err
		}
		next, err = openAt(dir, name, unix.O_PATH)
	}
	if err != nil {
		return nil, err
	}
	info, err := next.Stat()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		err = linkError(dir, name)
	}
	if err != nil {
		return nil, errors.Join(err, next.Close())
	}
	return next, nil
}

// makeAt makes a directory with the mode, whatever the umask. Somebody else may have made it meanwhile: then it is theirs.
func makeAt(dir *os.File, name string, mode fs.FileMode) error {
	// The set-group-ID bit, and with it the group, comes from the directory above.
	err := unix.Mkdirat(int(dir.Fd()), name, uint32(mode.Perm()))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making %s in %s: %w", name, dir.Name(), err)
	}
	made, err := openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer func() { _ = made.Close() }()
	info, err := made.Stat()
	if err != nil {
		return err
	}
	return made.Chmod(mode.Perm() | info.Mode()&fs.ModeSetgid)
}

// openAt opens one name of a directory. A link is opened itself with O_PATH, and an error without.
func openAt(dir *os.File, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s in %s: %w", name, dir.Name(), err)
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name)), nil
}

// Bind mounts what file names, with everything that is mounted below it, at target: an empty directory for a directory, a
// file for anything else. It needs root.
func Bind(file *os.File, target string) error {
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s at %s: %w", file.Name(), target, err)
	}
	return nil
}

// Unbind takes away what is mounted at target, with everything below it, and touches nothing where that came from. That
// nothing is mounted there is no error.
func Unbind(target string) error {
	// Where a copy of a shared tree is taken away, what is mounted in it goes from the original too, unless they are parted.
	err := unix.Mount("", target, "", unix.MS_SLAVE|unix.MS_REC, "")
	if err == nil {
		err = unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unmounting %s: %w", target, err)
	}
	return nil
}

// MakePrivate makes a mount of the directory itself, in which other mounts come and go that no other mount namespace sees,
// unless it is made from this one.
func MakePrivate(dir string) error {
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting %s on itself: %w", dir, err)
	}
	if err := unix.Mount("", dir, "", unix.MS_PRIVATE, ""); err != nil {
		return errors.Join(fmt.Errorf("making the mount of %s private: %w", dir, err), Unbind(dir))
	}
	return nil
}

// IsMounted says that something is mounted at path.
func IsMounted(path string) (bool, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		// https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html: the fifth field, with octal escapes.
		if fields := strings.Fields(line); len(fields) > 4 && unescape(fields[4]) == path {
			return true, nil
		}
	}
	return false, nil
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace
