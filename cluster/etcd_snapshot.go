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

	"minik.dev/api"
	"minik.dev/apiserver/etcd"
	"minik.dev/apiserver/store"
	"minik.dev/journal"
)

// EtcdSnapshot is what is known of a copy of a cluster's store.
type EtcdSnapshot = etcd.Snapshot

// The directories of a restore: restoring is where the data is made, former where earlier data is kept.
const (
	restoring = "etcd.restoring"
	former    = "etcd.former"
)

// SaveSnapshot copies the store of a data directory's cluster into a new file, whether the cluster runs or not.
func SaveSnapshot(ctx context.Context, dataDir, path string) (s EtcdSnapshot, err error) {
	state, err := Status(dataDir)
	if err != nil {
		return s, err
	}
	endpoint := strings.TrimPrefix(state.Etcd, etcdctl)
	if state.PID == 0 {
		h := dataDirectory{dir: dataDir}
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
func VerifySnapshot(path string) (EtcdSnapshot, error) { return etcd.Verify(path) }

// Restored is what came of a restore.
type Restored struct {
	EtcdSnapshot
	// Revision is the store's from now on.
	Revision int64
	// Aside is where the data is kept that was there; empty where there was none.
	Aside string
}

// RestoreSnapshot puts a snapshot in the place of a data directory's store. It refuses while the cluster runs, and touches
// nothing before the snapshot is whole. The data that was there is kept.
//
// The restored store goes on with a revision that nobody can know yet, so that whoever has seen more than the snapshot lists
// again; the journal says at it what happened.
func RestoreSnapshot(ctx context.Context, dataDir, path string, now time.Time) (r Restored, err error) {
	if r.EtcdSnapshot, err = etcd.Verify(path); err != nil {
		return r, err
	}
	h, err := makeDataDir(dataDir, false)
	if err != nil {
		return r, err
	}
	unlock, err := h.exclusively()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	// 1. The new data is made beside the old.
	made := h.path(restoring)
	if err := os.RemoveAll(made); err != nil {
		return r, fmt.Errorf("removing what an earlier restore left: %w", err)
	}
	entry := journal.Entry{
		Actor:  api.Actor{User: administrator.name, Component: "minik", Command: "minik snapshot restore"},
		Reason: filepath.Base(path) + " was restored", Time: now,
	}
	r.EtcdSnapshot, r.Revision, err = etcd.Restore(ctx, path, made, etcd.Restored{
		Above: h.newestRevision(),
		Record: func(revision int64) (key, value []byte, err error) {
			return store.RestoreRecord(r.EtcdSnapshot.Revision, revision, entry)
		},
	})
	if err != nil {
		return r, err
	}
	// 2. They change places. A process that is killed in between leaves both; neither is lost.
	if _, err := os.Stat(h.etcd()); err == nil {
		r.Aside = filepath.Join(h.path(former), now.UTC().Format("2006-01-02T15-04-05.000Z"))
		if err := os.MkdirAll(h.path(former), 0o700); err != nil {
			return r, fmt.Errorf("making a place for the data that was there: %w", err)
		}
		if err := os.Rename(h.etcd(), r.Aside); err != nil {
			return r, fmt.Errorf("putting the data that was there aside: %w", err)
		}
	}
	if err := os.Rename(made, h.etcd()); err != nil {
		return r, fmt.Errorf("putting the restored data in its place: %w; the data that was there is in %s", err, r.Aside)
	}
	return r, nil
}

// newestRevision is the newest revision that anybody may know of the cluster of this directory, from its store and those that
// earlier restores have put aside; -1 where there was a store of which nothing is left, and 0 where there was none.
func (h dataDirectory) newestRevision() int64 {
	stores, _ := filepath.Glob(filepath.Join(h.path(former), "*")) // the pattern is right
	if _, err := os.Stat(h.etcd()); err == nil {
		stores = append(stores, h.etcd())
	}
	if _, err := os.Stat(h.pki()); err == nil && len(stores) == 0 {
		return -1
	}
	newest := int64(0)
	for _, dir := range stores {
		revision := etcd.Newest(dir)
		if revision < 0 {
			return -1
		}
		newest = max(newest, revision)
	}
	return newest
}

// checkRestored says that a restore was cut off after the earlier data was put aside, and before the restored took its place: an
// empty cluster would begin.
func (h dataDirectory) checkRestored() error {
	_, missing := os.Stat(h.etcd())
	_, made := os.Stat(h.path(restoring))
	if errors.Is(missing, fs.ErrNotExist) && made == nil {
		return fmt.Errorf("a restore was cut off: do it again (`minik snapshot restore`), or put the newest of %s back as %s",
			h.path(former), h.etcd())
	}
	return nil
}
