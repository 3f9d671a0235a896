//go:build !linux

package subpath

import (
	"errors"
	"fmt"
	"os"
)

// Open needs Linux.
func Open(base, part string) (*os.File, error) {
	return nil, fmt.Errorf("opening %s in %s: %w", part, base, errors.ErrUnsupported)
}

// Bind needs Linux.
func Bind(*os.File, string) error { return errors.ErrUnsupported }

// Unbind needs Linux.
func Unbind(string) error { return errors.ErrUnsupported }

// MakePrivate needs Linux.
func MakePrivate(string) error { return errors.ErrUnsupported }

// IsMounted needs Linux.
func IsMounted(string) (bool, error) { return false, errors.ErrUnsupported }
