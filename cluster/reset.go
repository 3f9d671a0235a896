package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// contents are all that a cluster keeps in its data directory. Anything else there is somebody else's.
var contents = []string{"etcd", "pki", "kubeconfig", "network.json", "state.json", "nodes", "logs", "cache", "served", "joined",
	former, restoring}

// HasData says that a directory has something of a cluster.
func HasData(dataDir string) bool {
	return slices.ContainsFunc(contents, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dataDir, name))
		return err == nil
	})
}

// Reset deletes a cluster's data, and what it has on its engine. It refuses while the cluster runs, and touches nothing that
// is not the cluster's.
func Reset(ctx context.Context, dataDir string) error {
	h := dataDirectory{dir: dataDir}
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
