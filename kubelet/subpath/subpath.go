package subpath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// resolve follows the links of a part of the directory root, whose own path has none, and returns the way there, name by
// name. Names that are not there yet come as they are. A part that leads out of the directory is an error. What the links
// were when this was asked is no promise: only a walk that follows none keeps it.
func resolve(root, part string) ([]string, error) {
	names := strings.FieldsFunc(filepath.ToSlash(part), func(r rune) bool { return r == '/' })
	if slices.Contains(names, "..") || filepath.IsAbs(part) {
		return nil, fmt.Errorf("%q is no path below a directory", part)
	}
	at := root
	for i, name := range names {
		next, err := filepath.EvalSymlinks(filepath.Join(at, name))
		if errors.Is(err, fs.ErrNotExist) {
			return below(root, at, names[i:])
		}
		if err != nil {
			return nil, err
		}
		if at = next; !within(root, at) {
			return nil, fmt.Errorf("%s leads to %s, out of %s", filepath.Join(names[:i+1]...), at, root)
		}
	}
	return below(root, at, nil)
}

// below is the way from root to a path in it, and on.
func below(root, at string, on []string) ([]string, error) {
	relative, err := filepath.Rel(root, at)
	if err != nil {
		return nil, err
	}
	var names []string
	if relative != "." {
		names = strings.Split(relative, string(filepath.Separator))
	}
	return append(names, on...), nil
}

func within(root, path string) bool {
	relative, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(relative)
}

// linkError says that a link is where none was a moment ago.
func linkError(file *os.File, name string) error {
	return fmt.Errorf("%s in %s is a link that leads nowhere, or was put there just now", name, file.Name())
}
