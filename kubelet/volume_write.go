package kubelet

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names that a written volume has besides its files, as upstream's: dataLink leads to the directory of the newest
// files, and each file is a link through it. So whoever reads sees all files as they were before a change, or as they are
// after it.
const (
	dataLink   = "..data"
	nextLink   = "..data_tmp"
	dataPrefix = "..v"
)

// writeVolume makes the directory hold these files and no others; group is who owns them besides root, or negative. Where
// it holds them already nothing is touched.
func writeVolume(dir string, files []volumeFile, group int64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the volume's directory: %w", err)
	}
	current, _ := os.Readlink(filepath.Join(dir, dataLink)) // "" where the volume is new
	if current != "" && holds(filepath.Join(dir, current), files) {
		return tidy(dir, current, files) // a kubelet that was killed may not have come that far
	}
	next, err := os.MkdirTemp(dir, dataPrefix)
	if err != nil {
		return fmt.Errorf("making a directory for the volume's files: %w", err)
	}
	if err := writeFiles(next, files, group); err != nil {
		return errors.Join(err, os.RemoveAll(next))
	}
	link := filepath.Join(dir, nextLink)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("preparing the volume's files: %w", err)
	}
	if err := os.Symlink(filepath.Base(next), link); err != nil {
		return fmt.Errorf("preparing the volume's files: %w", err)
	}
	if err := os.Rename(link, filepath.Join(dir, dataLink)); err != nil {
		return fmt.Errorf("showing the volume's files: %w", err)
	}
	return tidy(dir, filepath.Base(next), files)
}

// tidy makes the links to the files of the current directory, and removes what is of earlier ones.
func tidy(dir, current string, files []volumeFile) error {
	if err := linkFiles(dir, files); err != nil {
		return err
	}
	return removeOld(dir, current)
}

// holds says that the directory has exactly these files.
func holds(dir string, files []volumeFile) bool {
	found := 0
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found++
		}
		return err
	})
	if err != nil || found != len(files) {
		return false
	}
	return !slices.ContainsFunc(files, func(f volumeFile) bool {
		data, err := os.ReadFile(filepath.Join(dir, f.path))
		return err != nil || !bytes.Equal(data, f.data)
	})
}

func writeFiles(dir string, files []volumeFile, group int64) error {
	if err := own(dir, 0o755, group); err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.path))
		if !filepath.IsLocal(f.path) {
			return fmt.Errorf("the path %q leaves its volume", f.path)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("making the directory of %s: %w", f.path, err)
		}
		if err := os.WriteFile(path, f.data, 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", f.path, err)
		}
		mode := fs.FileMode(f.mode)
		if group >= 0 {
			mode |= 0o440
		}
		if err := own(path, mode, group); err != nil {
			return err
		}
	}
	return nil
}

// own sets the mode whatever the umask, and the group where this process may.
func own(path string, mode fs.FileMode, group int64) error {
	if group >= 0 && os.Geteuid() == 0 {
		if err := os.Chown(path, -1, int(group)); err != nil {
			return fmt.Errorf("giving %s to group %d: %w", path, group, err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", path, err)
	}
	return nil
}

// linkFiles makes a link for the first part of each file's path, and removes those of files that are no more.
func linkFiles(dir string, files []volumeFile) error {
	wanted := map[string]bool{}
	for _, f := range files {
		first, _, _ := strings.Cut(f.path, "/")
		wanted[first] = true
	}
	entries, err := os.ReadDir(dir)
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
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("removing what is no longer in the volume: %w", err)
			}
		}
	}
	for name := range wanted {
		if err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("showing %s: %w", name, err)
		}
	}
	return nil
}

// removeOld removes the directories of earlier files, and what a killed kubelet left.
func removeOld(dir, current string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing the volume's files: %w", err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name == nextLink || strings.HasPrefix(name, dataPrefix) && name != current {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("removing earlier files of the volume: %w", err)
			}
		}
	}
	return nil
}
