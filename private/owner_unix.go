//go:build unix

package private

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// checkOwner says whose the directory is, if it is another user's.
func checkOwner(dir string, info fs.FileInfo) error {
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	if trusts(owner, os.Geteuid(), os.Getenv("SUDO_UID")) {
		return nil
	}
	return fmt.Errorf("%s belongs to user %d, who could read and change all that is kept there: choose another directory, "+
		"or make it yours (chown)", dir, owner)
}

// trusts reports whether user me keeps things in the owner's directory: its own, and under sudo the caller's.
func trusts(owner, me int, sudo string) bool {
	return owner == me || me == 0 && strconv.Itoa(owner) == sudo
}

// checkParent says why other users could move away what lies in the directory.
func checkParent(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0 {
		return fmt.Errorf("other users can replace what lies in %s: set TMPDIR to a directory of your own", dir)
	}
	return nil
}
