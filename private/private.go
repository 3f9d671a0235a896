// Package private keeps directories to one user of a machine that has several.
//
//  1. What minik keeps (keys, Secrets, the store's socket) lies in directories that other users can't enter. Make makes such
//     a directory, and closes one that is open.
//  2. One that belongs to somebody else is refused, because its owner can open it at any time, or put something else in its
//     place: in /tmp, anybody may have made it first.
//  3. What needs a short path, as unix sockets do, lies in a directory with a name that nobody could know before (Temporary).
//
// Upstream are cluster and apiserver/etcd; downstream is the file system. Real Kubernetes leaves this to whoever sets up its
// machines: its parts talk over TLS, and their files lie in directories of root's.
package private

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Make makes the directory, if it is not there, and keeps other users out of it. It is an error when it is somebody else's.
func Make(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := Check(dir); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("closing %s to other users: %w", dir, err)
	}
	return nil
}

// Check says why the directory is not to be trusted: it is none, or it is another user's.
func Check(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	return checkOwner(dir, info)
}

// Temporary makes a new directory, whose name begins with the prefix, among the temporary files. It is an error when other
// users could put another one in its place.
func Temporary(prefix string) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	if err := checkParent(filepath.Dir(dir)); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, nil
}
