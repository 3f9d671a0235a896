package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"minik.dev/kubelet/poddir"
)

// The names that a written volume has besides its files, as upstream's: dataLink leads to the directory of the newest
// files, and each file is a link through it. So whoever reads sees all files as they were before a change, or as they are
// after it.
const (
	dataLink   = "..data"
	nextLink   = "..data_tmp"
	dataPrefix = "..v"
)

// writeVolume makes the volume's directory hold these files and no others; group is who owns them besides root, or negative.
// Where it holds them already nothing is touched. Nothing is written that is not in the directory, whatever links lead to.
func writeVolume(dir *os.Root, files []file, group int64) error {
	current, _ := dir.Readlink(dataLink) // "" where the volume is new
	if current != "" && holds(dir, current, files) {
		return tidy(dir, current, files) // a kubelet that was killed may not have come that far
	}
	next, err := newVersion(dir, current)
	if err != nil {
		return fmt.Errorf("making a directory for the volume's files: %w", err)
	}
	if err := writeFiles(dir, next, files, group); err != nil {
		return errors.Join(err, dir.RemoveAll(next))
	}
	if err := dir.RemoveAll(nextLink); err != nil {
		return fmt.Errorf("preparing the volume's files: %w", err)
	}
	if err := dir.Symlink(next, nextLink); err != nil {
		return fmt.Errorf("preparing the volume's files: %w", err)
	}
	if err := dir.Rename(nextLink, dataLink); err != nil {
		return fmt.Errorf("showing the volume's files: %w", err)
	}
	return tidy(dir, next, files)
}

// newVersion makes the directory of the next files. Its number is larger than that of the current ones, so that nobody who
// has looked at a link takes the one for the other.
func newVersion(dir *os.Root, current string) (string, error) {
	number, _ := strconv.ParseUint(strings.TrimPrefix(current, dataPrefix), 10, 32) // 0 where this kubelet did not make it
	for {
		number++
		name := dataPrefix + strconv.FormatUint(number, 10)
		if err := dir.Mkdir(name, 0o700); !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}

// tidy makes the links to the files of the current directory, and removes what is of earlier ones.
func tidy(dir *os.Root, current string, files []file) error {
	if err := linkFiles(dir, files); err != nil {
		return err
	}
	return removeOld(dir, current)
}

// holds says that the version has exactly these files.
func holds(dir *os.Root, version string, files []file) bool {
	found := 0
	err := fs.WalkDir(dir.FS(), version, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found++
		}
		return err
	})
	if err != nil || found != len(files) {
		return false
	}
	return !slices.ContainsFunc(files, func(f file) bool {
		return !poddir.HoldsText(dir, path.Join(version, f.path), f.data)
	})
}

func writeFiles(dir *os.Root, version string, files []file, group int64) error {
	if err := own(dir, version, 0o755, group); err != nil {
		return err
	}
	for _, f := range files {
		name := path.Join(version, f.path)
		if !filepath.IsLocal(f.path) {
			return fmt.Errorf("the path %q leaves its volume", f.path)
		}
		if err := dir.MkdirAll(path.Dir(name), 0o755); err != nil {
			return fmt.Errorf("making the directory of %s: %w", f.path, err)
		}
		if err := dir.WriteFile(name, f.data, 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", f.path, err)
		}
		mode := fs.FileMode(f.mode)
		if group >= 0 {
			mode |= 0o440
		}
		if err := own(dir, name, mode, group); err != nil {
			return err
		}
	}
	return nil
}

// own sets the mode whatever the umask, and the group where this process may.
func own(dir *os.Root, path string, mode fs.FileMode, group int64) error {
	if group >= 0 && os.Geteuid() == 0 {
		if err := dir.Chown(path, -1, int(group)); err != nil {
			return fmt.Errorf("giving %s to group %d: %w", path, group, err)
		}
	}
	if err := dir.Chmod(path, mode); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", path, err)
	}
	return nil
}

// linkFiles makes a link for the first part of each file's path, and removes those of files that are no more.
func linkFiles(dir *os.Root, files []file) error {
	wanted := map[string]bool{}
	for _, f := range files {
		first, _, _ := strings.Cut(f.path, "/")
		wanted[first] = true
	}
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return fmt.Errorf("listing the volume's files: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case wanted[name]:
			delete(wanted, name)
		case strings.HasPrefix(name, ".."):
		default:
			if err := dir.Remove(name); err != nil {
				return fmt.Errorf("removing what is no longer in the volume: %w", err)
			}
		}
	}
	for name := range wanted {
		if err := dir.Symlink(filepath.Join(dataLink, name), name); err != nil {
			return fmt.Errorf("showing %s: %w", name, err)
		}
	}
	return nil
}

// removeOld removes the directories of earlier files, and what a killed kubelet left.
func removeOld(dir *os.Root, current string) error {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return fmt.Errorf("listing the volume's files: %w", err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name == nextLink || strings.HasPrefix(name, dataPrefix) && name != current {
			if err := dir.RemoveAll(name); err != nil {
				return fmt.Errorf("removing earlier files of the volume: %w", err)
			}
		}
	}
	return nil
}
