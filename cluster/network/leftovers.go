package network

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
)

// EngineID is the ID of the cluster whose network was saved at path; "" where its pods never were on an engine.
func EngineID(path string) (string, error) {
	saved, err := readSaved(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !saved.Docker {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return clusterID(saved.Owner, path)
}

// HasBridge says whether the engine has a bridge of the cluster.
func HasBridge(ctx context.Context, engine Engine, id string) (bool, error) {
	_, own, err := engineRanges(ctx, engine, id)
	return own.prefix.IsValid(), err
}

// RoutesLeft are the routes in the ranges of the cluster whose network was saved at path, while it does not run.
func RoutesLeft(path string) ([]netip.Prefix, error) {
	saved, err := readSaved(path)
	if err != nil {
		return nil, err
	}
	id, err := clusterID(saved.Owner, path)
	if err != nil {
		return nil, err
	}
	return ownRoutes(id, saved.ServiceCIDR, saved.PodCIDR)
}

// CleanRoutes removes the routes that the cluster whose network was saved at path has left, where this user may.
func CleanRoutes(path string) error {
	saved, err := readSaved(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || saved.Mode != AnyIP || anyIPProblem() != "" {
		return err
	}
	if left, err := RoutesLeft(path); err != nil || len(left) == 0 {
		return err
	}
	n, err := Load(path)
	if err != nil {
		return nil //nolint:nilerr // somebody else has the ranges now, and with them the routes
	}
	return n.Close()
}
