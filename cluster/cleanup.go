package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"minik.dev/cluster/network"
	"minik.dev/kubelet/docker"
)

// cleanPatience bounds what an engine may take to remove everything of a cluster.
const cleanPatience = 2 * time.Minute

// Leftovers are what a cluster that was killed has on its engine; nothing of it is lost, for the next start finds it again.
type Leftovers struct {
	Engine     string // which one; "" where the cluster never had any
	Containers int
	Network    bool
}

// None says that nothing is left.
func (l Leftovers) None() bool { return l.Containers == 0 && !l.Network }

// FindLeftovers looks for what the cluster of a data directory has left. It is for clusters that do not run.
func FindLeftovers(ctx context.Context, dataDir string) (Leftovers, error) {
	return withLeftovers(ctx, dataDir, func(context.Context, *docker.Engine, string, Leftovers) error { return nil })
}

// Clean takes away what a cluster that was killed has left, as its own end would have done: containers, bridge and routes.
// Its data stays, and so do its pods' volumes. It says what there was.
func Clean(ctx context.Context, dataDir string) (Leftovers, error) {
	if _, err := os.Stat(dataDir); errors.Is(err, fs.ErrNotExist) {
		return Leftovers{}, nil
	}
	h := dataDirectory{dir: dataDir}
	unlock, err := h.exclusively()
	if err != nil {
		return Leftovers{}, err
	}
	left, err := withLeftovers(ctx, dataDir, func(ctx context.Context, e *docker.Engine, id string, left Leftovers) error {
		if left.None() {
			return nil
		}
		if err := e.RemoveContainers(ctx, id); err != nil {
			return err
		}
		return e.RemoveNetwork(ctx, id)
	})
	if err == nil && !left.None() {
		err = network.CleanRoutes(h.network())
	}
	return left, errors.Join(err, unlock())
}

// withLeftovers asks the engine what of the cluster it has, and hands that to do.
func withLeftovers(ctx context.Context, dataDir string,
	do func(context.Context, *docker.Engine, string, Leftovers) error) (left Leftovers, err error) {
	h := dataDirectory{dir: dataDir}
	id, err := network.EngineID(h.network())
	if err != nil || id == "" {
		return left, err
	}
	engine, err := connectEngine(ctx)
	if err != nil {
		return left, fmt.Errorf("looking for what the cluster of %s has on its engine: %w", dataDir, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	left.Engine = engine.Describe()
	ctx, cancel := context.WithTimeout(ctx, cleanPatience)
	defer cancel()
	if left.Containers, err = engine.Containers(ctx, id); err != nil {
		return left, fmt.Errorf("counting the containers of the cluster of %s: %w", dataDir, err)
	}
	if left.Network, err = network.HasBridge(ctx, engine, id); err != nil {
		return left, err
	}
	if err := do(ctx, engine, id, left); err != nil {
		return left, fmt.Errorf("removing what the cluster of %s has left on %s: %w", dataDir, left.Engine, err)
	}
	return left, nil
}

// removeFromEngine removes everything that the cluster ever had on its engine, its pods' volumes included.
func (h dataDirectory) removeFromEngine(ctx context.Context) error {
	_, err := withLeftovers(ctx, h.dir, func(ctx context.Context, e *docker.Engine, id string, _ Leftovers) error {
		return e.RemoveCluster(ctx, id)
	})
	if err != nil {
		return fmt.Errorf("%w; start the engine and reset again, or delete %s, and what is left on the engine stays there",
			err, h.dir)
	}
	return network.CleanRoutes(h.network())
}
