package etcd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// createHidden makes a file without a name, which is found at name while it is open and is gone with its process, until it is
// published at the path. Where the file system has no such files it is createPart.
func createHidden(path string) (file *os.File, name string, publish func() error, err error) {
	fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600) // there are Secrets in it
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		return createPart(path)
	}
	if err != nil {
		return nil, "", nil, &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	name = fmt.Sprintf("/proc/self/fd/%d", fd)
	return os.NewFile(uintptr(fd), path), name, func() error {
		if err := unix.Linkat(unix.AT_FDCWD, name, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
			return &os.LinkError{Op: "link", Old: name, New: path, Err: err}
		}
		return nil
	}, nil
}
