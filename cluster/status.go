package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"minik.dev/private"
)

// State is what a data directory says of the cluster that runs on it.
type State struct {
	// PID is the process that runs the cluster, or its API server; 0 where none does.
	PID int `json:"pid"`
	// Server is the API server's URL.
	Server string `json:"server"`
	// Runtime is what runs the containers, and why.
	Runtime string `json:"runtime,omitempty"`
	// Etcd is the command that speaks to the store.
	Etcd string `json:"etcd,omitempty"`
	// Network says which blocks of addresses are in use.
	Network string `json:"network,omitempty"`
}

// etcdctl begins the command that speaks to the store; its endpoints follow.
const etcdctl = "etcdctl --endpoints "

// ErrInBetween says that somebody holds a data directory, and has not said yet, or no longer, who.
var ErrInBetween = errors.New("it is just starting or ending: try again")

// Status reads the state of the cluster of a data directory. That nothing runs there is no error.
func Status(dataDir string) (State, error) {
	h := home{dir: dataDir}
	if _, err := os.Stat(h.path("lock")); errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	lock, err := lockFile(h.path("lock"))
	switch {
	case err == nil:
		return State{}, lock.Close() // nobody holds it
	case !errors.Is(err, errLocked):
		return State{}, fmt.Errorf("looking at the data directory %s: %w", dataDir, err)
	}
	state, err := readState(h.state())
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, fmt.Errorf("looking at the cluster of data directory %s: %w", dataDir, ErrInBetween)
	}
	return state, err
}

func readState(path string) (State, error) {
	var state State
	text, err := os.ReadFile(path)
	if err != nil {
		return state, fmt.Errorf("reading the cluster's state: %w", err)
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return state, fmt.Errorf("reading the cluster's state in %s: %w", path, err)
	}
	return state, nil
}

func writeState(path string, state State) error {
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	if err := private.ReplaceFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	return nil
}

// contents are all that a cluster keeps in its data directory. Anything else there is somebody else's.
var contents = []string{"etcd", "pki", "kubeconfig", "network.json", "state.json", "nodes", "logs", "cache",
	former, restoring}

// Reset deletes a cluster's data, and what it has on its engine. It refuses while the cluster runs, and touches nothing that
// is not the cluster's.
func Reset(ctx context.Context, dataDir string) error {
	h := home{dir: dataDir}
	if _, err := os.Stat(dataDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := h.exclusively()
	if err != nil {
		return err
	}
	if err := h.removeFromEngine(ctx); err != nil {
		return errors.Join(err, unlock())
	}
	for _, name := range contents {
		if err := os.RemoveAll(filepath.Join(dataDir, name)); err != nil {
			return errors.Join(fmt.Errorf("deleting %s: %w", h.path(name), err), unlock())
		}
	}
	if err := unlock(); err != nil {
		return err
	}
	if err := os.Remove(h.path("lock")); err != nil {
		return fmt.Errorf("deleting the lock of %s: %w", dataDir, err)
	}
	_ = os.Remove(dataDir) // unless somebody else keeps something there
	return nil
}

// exclusively keeps the data directory from being used by a cluster until unlock is called.
func (h home) exclusively() (unlock func() error, err error) {
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
