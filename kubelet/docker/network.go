package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// NetworkOptions describe a cluster's bridge network.
type NetworkOptions struct {
	// Cluster is the cluster's ID.
	Cluster string
	// Pods is the range of all nodes' pods, Gateway the address in it that the machine of the engine takes.
	Pods    netip.Prefix
	Gateway netip.Addr
}

// NetworkRange is a range of addresses that a network of the engine has taken.
type NetworkRange struct {
	Name   string
	Prefix netip.Prefix
	// Cluster is the ID of the cluster whose network it is; "" where it is nobody's of minik.
	Cluster string
}

// removals bounds how many containers are removed at the same time.
const removals = 16

// short is what an ID becomes where names are short: a Linux interface's has at most 15 characters.
func short(cluster string) string {
	sum := sha256.Sum256([]byte(cluster))
	return hex.EncodeToString(sum[:5])
}

// networkName is the engine's name for the cluster's network.
func networkName(cluster string) string { return "minik-" + short(cluster) }

// bridgeName is the Linux interface of it.
func bridgeName(cluster string) string { return "mk-" + short(cluster) }

// EnsureNetwork makes the cluster's bridge network where it is missing, and returns the name of its Linux interface. One
// that is there with another range, and that nothing uses, is made anew.
func (e *Engine) EnsureNetwork(ctx context.Context, o NetworkOptions) (bridge string, err error) {
	name := networkName(o.Cluster)
	found, err := e.client.NetworkInspect(ctx, name, network.InspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
	case err != nil:
		return "", fmt.Errorf("looking for the network %s: %w", name, err)
	case found.Labels[labelCluster] != o.Cluster:
		return "", fmt.Errorf("the engine has a network %s that is not this cluster's: remove or rename it", name)
	case hasRange(found.IPAM, o):
		return bridgeName(o.Cluster), nil
	default:
		if err := e.client.NetworkRemove(ctx, found.ID); err != nil {
			return "", fmt.Errorf("replacing the network %s, whose range is not %s: %w", name, o.Pods, err)
		}
	}
	_, err = e.client.NetworkCreate(ctx, name, network.CreateOptions{
		Driver: "bridge",
		IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: o.Pods.String(), Gateway: o.Gateway.String()}}},
		Options: map[string]string{
			"com.docker.network.bridge.name":       bridgeName(o.Cluster),
			"com.docker.network.bridge.enable_icc": "true",
		},
		Labels: map[string]string{labelCluster: o.Cluster},
	})
	if err != nil {
		return "", fmt.Errorf("making the network %s with range %s: %w", name, o.Pods, err)
	}
	return bridgeName(o.Cluster), nil
}

func hasRange(ipam network.IPAM, o NetworkOptions) bool {
	return len(ipam.Config) == 1 && ipam.Config[0].Subnet == o.Pods.String() && ipam.Config[0].Gateway == o.Gateway.String()
}

// Networks lists the ranges of all networks of the engine.
func (e *Engine) Networks(ctx context.Context) ([]NetworkRange, error) {
	list, err := e.client.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the engine's networks: %w", err)
	}
	var out []NetworkRange
	for _, n := range list {
		for _, c := range n.IPAM.Config {
			if prefix, err := netip.ParsePrefix(c.Subnet); err == nil {
				out = append(out, NetworkRange{Name: n.Name, Prefix: prefix, Cluster: n.Labels[labelCluster]})
			}
		}
	}
	return out, nil
}

// Containers counts the containers of the cluster, sandboxes and those that have ended included.
func (e *Engine) Containers(ctx context.Context, cluster string) (int, error) {
	list, err := e.client.ContainerList(ctx, allOf(ofCluster(cluster)))
	if err != nil {
		return 0, fmt.Errorf("listing the cluster's containers: %w", err)
	}
	return len(list), nil
}

// RemoveCluster removes every container, volume and network of the cluster, and touches nothing else.
func (e *Engine) RemoveCluster(ctx context.Context, cluster string) error {
	return errors.Join(e.RemoveContainers(ctx, cluster), e.removeVolumes(ctx, ofCluster(cluster)),
		e.RemoveNetwork(ctx, cluster))
}

// RemoveContainers kills and removes the cluster's containers, and takes away what was mounted for them.
func (e *Engine) RemoveContainers(ctx context.Context, cluster string) error {
	return errors.Join(e.removeContainers(ctx, ofCluster(cluster)), removeClusterBinds(cluster))
}

// RemoveNode kills and removes the containers and volumes of one node of the cluster.
func (e *Engine) RemoveNode(ctx context.Context, cluster, node string) error {
	args := ofCluster(cluster)
	args.Add("label", labelNode+"="+node)
	return errors.Join(e.removeContainers(ctx, args), e.removeVolumes(ctx, args))
}

func (e *Engine) removeContainers(ctx context.Context, which filters.Args) error {
	list, err := e.client.ContainerList(ctx, allOf(which))
	if err != nil {
		return fmt.Errorf("listing the cluster's containers: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	for _, c := range list {
		group.Go(func() error { return e.remove(ctx, c.ID) })
	}
	return group.Wait()
}

// remove kills and removes a container, and returns when it is gone; that it is, or that somebody else is removing it, is
// no error.
func (e *Engine) remove(ctx context.Context, id string) error {
	err := e.client.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	if errdefs.IsConflict(err) { // it is being removed, and its network's endpoint may still be there
		ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
		defer cancel()
		gone, failed := e.client.ContainerWait(ctx, id, container.WaitConditionRemoved)
		select {
		case <-gone:
			return nil
		case waitErr := <-failed:
			if errdefs.IsNotFound(waitErr) {
				return nil
			}
		}
	}
	return fmt.Errorf("removing container %.12s: %w", id, err)
}

func (e *Engine) removeVolumes(ctx context.Context, which filters.Args) error {
	list, err := e.client.VolumeList(ctx, volume.ListOptions{Filters: which})
	if err != nil {
		return fmt.Errorf("listing volumes: %w", err)
	}
	var errs []error
	for _, v := range list.Volumes {
		if err := e.client.VolumeRemove(ctx, v.Name, true); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing volume %s: %w", v.Name, err))
		}
	}
	return errors.Join(errs...)
}

// RemoveNetwork removes the cluster's network; that it is gone is no error.
func (e *Engine) RemoveNetwork(ctx context.Context, cluster string) error {
	list, err := e.client.NetworkList(ctx, network.ListOptions{Filters: ofCluster(cluster)})
	if err != nil {
		return fmt.Errorf("listing the cluster's networks: %w", err)
	}
	var errs []error
	for _, n := range list {
		if err := e.client.NetworkRemove(ctx, n.ID); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing network %s: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}
