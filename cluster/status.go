package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

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
	// SchedulerConfig is the file that the scheduler was given; empty is the default, or that it runs elsewhere.
	SchedulerConfig string `json:"schedulerConfig,omitempty"`
	// Network says which blocks of addresses are in use.
	Network string `json:"network,omitempty"`
}

// etcdctl begins the command that speaks to the store; its endpoints follow.
const etcdctl = "etcdctl --endpoints "

// ErrInBetween says that somebody holds a data directory, and has not said yet, or no longer, who.
var ErrInBetween = errors.New("it is just starting or ending: try again")

// Status reads the state of the cluster of a data directory. That nothing runs there is no error.
func Status(dataDir string) (State, error) {
	h := dataDirectory{dir: dataDir}
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
