package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
)

// home knows where a cluster's files lie and to whom they belong.
type home struct {
	dataDir string
	// owner is whose files they are when sudo runs the program; nil means nothing has to be changed.
	owner *owner
}

// owner is the user who called sudo.
type owner struct{ uid, gid int }

// newHome settles the default: $MINIK_HOME, else ~/.minik of the user who typed the command, also under sudo.
func newHome() *home {
	h := &home{owner: sudoCaller(os.Geteuid(), os.Getenv)}
	if dir := os.Getenv("MINIK_HOME"); dir != "" {
		h.dataDir = dir
		return h
	}
	h.dataDir = filepath.Join(callersHome(h.owner), ".minik")
	return h
}

// sudoCaller is the user behind sudo, or nil where there is none: not root, or root itself.
func sudoCaller(euid int, getenv func(string) string) *owner {
	if euid != 0 {
		return nil
	}
	uid, err := strconv.Atoi(getenv("SUDO_UID"))
	if err != nil || uid <= 0 {
		return nil
	}
	gid, err := strconv.Atoi(getenv("SUDO_GID"))
	if err != nil || gid < 0 {
		return nil
	}
	return &owner{uid: uid, gid: gid}
}

// callersHome is the home directory of the user who typed the command; the working directory stands in where there is
// none, as in some containers.
func callersHome(caller *owner) string {
	if caller != nil {
		if u, err := user.LookupId(strconv.Itoa(caller.uid)); err == nil && u.HomeDir != "" {
			return u.HomeDir
		}
	}
	if dir, err := os.UserHomeDir(); err == nil {
		return dir
	}
	return "."
}

func (h *home) kubeconfig() string { return filepath.Join(h.dataDir, "kubeconfig") }
func (h *home) cacheDir() string   { return filepath.Join(h.dataDir, "cache") }
func (h *home) logFile() string    { return filepath.Join(h.dataDir, "logs", "minik.log") }

// program is how this program is called: by its name alone where the shell would find it, else as it was typed.
func (h *home) program() string {
	found, err := exec.LookPath("minik")
	if err != nil {
		return os.Args[0]
	}
	there, err := os.Stat(found)
	if err != nil {
		return os.Args[0]
	}
	if here, err := os.Stat(os.Args[0]); err == nil && !os.SameFile(here, there) {
		return os.Args[0]
	}
	return "minik"
}

// flag is what has to be added to a command to mean this data directory; "" for the default one.
func (h *home) flag() string {
	if h.dataDir == filepath.Join(callersHome(h.owner), ".minik") {
		return ""
	}
	return " --data-dir " + h.dataDir
}

// resolve makes the data directory absolute, so that what is printed and written down holds in every directory.
func (h *home) resolve() error {
	if h.dataDir == "" {
		return fmt.Errorf("--data-dir is empty: name a directory, or leave the flag out for ~/.minik")
	}
	dir, err := filepath.Abs(h.dataDir)
	if err != nil {
		return fmt.Errorf("resolving --data-dir %s: %w", h.dataDir, err)
	}
	h.dataDir = dir
	return nil
}

// keepOwner gives what sudo's root made below path to the user who called sudo. A path that does not exist is none of
// its business.
func (h *home) keepOwner(path string) error {
	if h.owner == nil {
		return nil
	}
	err := filepath.WalkDir(path, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return ignoreGone(err)
		}
		// etcd and the log rotation remove files while this walks.
		return ignoreGone(os.Lchown(path, h.owner.uid, h.owner.gid))
	})
	if err != nil {
		return fmt.Errorf("giving %s to the user who called sudo: %w", path, err)
	}
	return nil
}

func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
