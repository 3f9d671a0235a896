package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"minik.dev/private"
)

// dataDirectory is a cluster's data directory.
type dataDirectory struct {
	dir       string
	temporary bool
	lock      *os.File
}

func (h dataDirectory) path(name string) string { return filepath.Join(h.dir, name) }
func (h dataDirectory) etcd() string            { return h.path("etcd") }
func (h dataDirectory) pki() string             { return h.path("pki") }
func (h dataDirectory) kubeconfig() string      { return h.path("kubeconfig") }
func (h dataDirectory) served() string          { return h.path("served") }
func (h dataDirectory) network() string         { return h.path("network.json") }
func (h dataDirectory) state() string           { return h.path("state.json") }
func (h dataDirectory) node(name string) string { return filepath.Join(h.dir, "nodes", name) }
func (h dataDirectory) log(name string) string  { return filepath.Join(h.dir, "logs", name) }

// makeDataDir makes the data directory where it is missing.
func makeDataDir(dir string, ephemeral bool) (dataDirectory, error) {
	if ephemeral {
		temporary, err := private.Temporary("minik-")
		if err != nil {
			return dataDirectory{}, fmt.Errorf("making a temporary data directory: %w", err)
		}
		return dataDirectory{dir: temporary, temporary: true}, nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return dataDirectory{}, fmt.Errorf("finding the data directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(absolute, 0o700); err != nil {
		return dataDirectory{}, fmt.Errorf("making the data directory %s: %w; choose another with --data-dir", absolute, err)
	}
	if err := private.Check(absolute); err != nil {
		return dataDirectory{}, fmt.Errorf("using the data directory: %w", err)
	}
	return dataDirectory{dir: absolute}, nil
}

// acquire takes the directory for this process alone; errLocked says that another has it.
func (h *dataDirectory) acquire() error {
	lock, err := lockFile(h.path("lock"))
	if errors.Is(err, errLocked) {
		return errLocked
	}
	if err != nil {
		return fmt.Errorf("locking the data directory %s: %w; choose another with --data-dir", h.dir, err)
	}
	h.lock = lock
	if err := os.MkdirAll(h.path("logs"), 0o700); err != nil {
		return fmt.Errorf("making the directory of the logs: %w; choose another data directory with --data-dir", err)
	}
	return nil
}

// holder names the process that the state file names.
func (h dataDirectory) holder() string {
	if state, err := readState(h.state()); err == nil && state.PID != 0 {
		return " (process " + strconv.Itoa(state.PID) + ")"
	}
	return ""
}

// close lets the data directory go; a temporary one is removed.
func (h dataDirectory) close() error {
	if h.lock == nil {
		return nil
	}
	_ = os.Remove(h.state()) // it says who runs, and nobody does
	err := h.lock.Close()
	if h.temporary {
		err = errors.Join(err, os.RemoveAll(h.dir))
	}
	return err
}

// release lets others have the directory, and leaves everything in it as it is.
func (h *dataDirectory) release() error {
	lock := h.lock
	h.lock = nil
	if err := lock.Close(); err != nil {
		return fmt.Errorf("letting the data directory %s go: %w", h.dir, err)
	}
	return nil
}

// exclusively keeps the data directory from being used by a cluster until unlock is called.
func (h dataDirectory) exclusively() (unlock func() error, err error) {
	lock, err := lockFile(h.path("lock"))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("the cluster of data directory %s is running%s: end it first with `minik down`", h.dir, h.holder())
	}
	if err != nil {
		return nil, fmt.Errorf("locking the data directory %s: %w", h.dir, err)
	}
	return func() error {
		if err := lock.Close(); err != nil {
			return fmt.Errorf("letting the data directory %s go: %w", h.dir, err)
		}
		return nil
	}, nil
}
