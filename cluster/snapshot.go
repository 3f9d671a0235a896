package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"minik.dev/apiserver/etcd"
)

// Snapshot is what is known of a copy of a cluster's store.
type Snapshot = etcd.Snapshot

// The directories of a restore: restoring is where the data is made, former where earlier data is kept.
const (
	restoring = "etcd.restoring"
	former    = "etcd.former"
)

// SaveSnapshot copies the store of a data directory's cluster into a new file, whether the cluster runs or not.
func SaveSnapshot(ctx context.Context, dataDir, path string) (s Snapshot, err error) {
	state, err := Status(dataDir)
	if err != nil {
		return s, err
	}
	endpoint := strings.TrimPrefix(state.Etcd, etcdctl)
	if state.PID == 0 {
		h := home{dir: dataDir}
		if _, err := os.Stat(h.etcd()); errors.Is(err, fs.ErrNotExist) {
			return s, fmt.Errorf("the data directory %s has no etcd of its own: there is nothing to save", dataDir)
		}
		unlock, err := h.exclusively()
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, unlock()) }()
		local, err := etcd.Start(ctx, etcd.Options{Dir: h.etcd()})
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, local.Stop()) }()
		endpoint = local.Endpoint
	}
	store, err := etcd.Connect(ctx, strings.Split(endpoint, ","))
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, store.Stop()) }()
	return etcd.Save(ctx, store.Client, path)
}

// VerifySnapshot reads a snapshot and says what is in it, or how it is damaged.
func VerifySnapshot(path string) (Snapshot, error) { return etcd.Verify(path) }

// RestoreSnapshot puts a snapshot in the place of a data directory's store. It refuses while the cluster runs, and touches
// nothing before the snapshot is whole. The data that was there is kept; aside says where, and is empty where there was
// none.
func RestoreSnapshot(ctx context.Context, dataDir, path string, now time.Time) (s Snapshot, aside string, err error) {
	if s, err = etcd.Verify(path); err != nil {
		return s, "", err
	}
	h, err := makeHome(dataDir, false)
	if err != nil {
		return s, "", err
	}
	unlock, err := h.exclusively()
	if err != nil {
		return s, "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	// 1. The new data is made beside the old.
	made := h.path(restoring)
	if err := os.RemoveAll(made); err != nil {
		return s, "", fmt.Errorf("removing what an earlier restore left: %w", err)
	}
	if s, err = etcd.Restore(ctx, path, made, h.etcd()); err != nil {
		return s, "", err
	}
	// 2. They change places. A process that is killed in between leaves both; neither is lost.
	if _, err := os.Stat(h.etcd()); err == nil {
		aside = filepath.Join(h.path(former), now.UTC().Format("2006-01-02T15-04-05.000Z"))
		if err := os.MkdirAll(h.path(former), 0o700); err != nil {
			return s, "", fmt.Errorf("making a place for the data that was there: %w", err)
		}
		if err := os.Rename(h.etcd(), aside); err != nil {
			return s, "", fmt.Errorf("putting the data that was there aside: %w", err)
		}
	}
	if err := os.Rename(made, h.etcd()); err != nil {
		return s, aside, fmt.Errorf("putting the restored data in its place: %w; the data that was there is in %s", err, aside)
	}
	return s, aside, nil
}
