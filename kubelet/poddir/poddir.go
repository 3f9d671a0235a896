// Package poddir is what a pod has on its node besides containers: a directory of its own, pods/<uid> below the kubelet's.
//
// The kubelet may write where containers may not, and containers write to what it mounts. So all of it is reached through an
// os.Root of the pod's directory: no link leads out, whoever has put it there. What is read is bounded, and is a file.
package poddir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"k8s.io/apimachinery/pkg/types"
)

// pods is where the directories of pods are, below the node's.
const pods = "pods"

// Path is the directory of a pod, whether it is there or not.
func Path(node string, uid types.UID) string { return filepath.Join(node, pods, string(uid)) }

// Open opens the pod's directory. It is made where it is missing.
func Open(node string, uid types.UID) (*os.Root, error) {
	if err := os.MkdirAll(node, 0o755); err != nil {
		return nil, fmt.Errorf("making the node's directory: %w", err)
	}
	root, err := os.OpenRoot(node)
	if err != nil {
		return nil, fmt.Errorf("opening the node's directory: %w", err)
	}
	defer func() { _ = root.Close() }()
	return OpenBelow(root, filepath.Join(pods, string(uid)))
}

// OpenBelow opens a directory of another one. It is made where it is missing.
func OpenBelow(in *os.Root, path string) (*os.Root, error) {
	if err := in.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("making %s in %s: %w", path, in.Name(), err)
	}
	return in.OpenRoot(path)
}

// Remove removes the pod's directory; that there is none is no error. Links in it go, and not what they lead to.
func Remove(node string, uid types.UID) error {
	root, err := os.OpenRoot(node)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return root.RemoveAll(filepath.Join(pods, string(uid)))
}

// List names the pods that have a directory.
func List(node string) ([]types.UID, error) {
	found, err := os.ReadDir(filepath.Join(node, pods))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []types.UID
	for _, dir := range found {
		out = append(out, types.UID(dir.Name()))
	}
	return out, nil
}

// WriteInPlace writes a file and keeps the one that running containers have mounted. What is no file is replaced by one.
func WriteInPlace(home *os.Root, path, text string, mode fs.FileMode) error {
	if err := home.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if info, err := home.Lstat(path); err == nil && !info.Mode().IsRegular() {
		if err := home.RemoveAll(path); err != nil {
			return err
		}
	}
	if HoldsText(home, path, []byte(text)) {
		return home.Chmod(path, mode)
	}
	file, err := home.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Chmod(mode), file.Close())
}

// HoldsText says that the file is one, and has this text. It reads no more than that, however much somebody has written.
func HoldsText(dir *os.Root, path string, text []byte) bool {
	file, err := OpenRegular(dir, path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	have, err := io.ReadAll(io.LimitReader(file, int64(len(text))+1))
	return err == nil && bytes.Equal(have, text)
}

// OpenRegular opens a file of the directory to be read. What is none, such as a link or a pipe that nobody writes to, is an
// error and does not block.
func OpenRegular(dir *os.Root, path string) (*os.File, error) {
	named, err := dir.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	file, err := dir.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := file.Stat(); err != nil || !os.SameFile(named, opened) {
		_ = file.Close()
		return nil, fmt.Errorf("%s was replaced while it was opened", path)
	}
	return file, nil
}
