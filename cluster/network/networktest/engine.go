// Package networktest has engines for tests of a cluster's network: they make bridges and run no containers.
package networktest

import (
	"context"

	"minik.dev/kubelet/docker"
)

// Elsewhere is an engine whose bridges are not on this machine. Its fields are what is on it.
type Elsewhere struct {
	Ranges []docker.NetworkRange
	Left   int // how many containers
}

// Containers is network.Engine's.
func (e *Elsewhere) Containers(context.Context, string) (int, error) { return e.Left, nil }

// Networks is network.Engine's.
func (e *Elsewhere) Networks(context.Context) ([]docker.NetworkRange, error) {
	return e.Ranges, nil
}

// EnsureNetwork is network.Engine's.
func (e *Elsewhere) EnsureNetwork(_ context.Context, o docker.NetworkOptions) (string, error) {
	for _, network := range e.Ranges {
		if network.Cluster == o.Cluster {
			return "nowhere0", nil
		}
	}
	e.Ranges = append(e.Ranges, docker.NetworkRange{Name: "minik-" + o.Cluster, Prefix: o.Pods, Cluster: o.Cluster})
	return "nowhere0", nil
}

// RemoveNetwork is network.Engine's.
func (e *Elsewhere) RemoveNetwork(_ context.Context, cluster string) error {
	for i, network := range e.Ranges {
		if network.Cluster == cluster {
			e.Ranges = append(e.Ranges[:i], e.Ranges[i+1:]...)
		}
	}
	return nil
}
