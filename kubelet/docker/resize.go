package docker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// Resize is runtime.Resizer's. The engine would kill the container for a memory limit that is below what it uses by now, so
// that is refused, as far as one look before can tell (as upstream). Who the kernel kills first stays as it was.
func (r *Runtime) Resize(ctx context.Context, id string, spec *corev1.Container) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	c, ok := r.lookup(id)
	if !ok || c.isSandbox() || c.container.State != runtime.Running {
		return fmt.Errorf("resizing %s, which does not run: %w", id, runtime.ErrNotFound)
	}
	wanted := resourcesOf(spec)
	if wanted.Memory > 0 {
		if err := r.enoughMemory(ctx, c.id, wanted.Memory); err != nil {
			return err
		}
	}
	_, err := r.engine.client.ContainerUpdate(ctx, c.id, container.UpdateConfig{Resources: container.Resources{
		CPUShares: wanted.CPUShares, CPUPeriod: wanted.CPUPeriod, CPUQuota: wanted.CPUQuota,
		Memory: wanted.Memory, MemorySwap: wanted.MemorySwap,
	}})
	if err != nil {
		return fmt.Errorf("resizing container %s: %w", spec.Name, err)
	}
	return nil
}

// enoughMemory is an error where the container uses more than the limit that it is to have.
func (r *Runtime) enoughMemory(ctx context.Context, id string, limit int64) error {
	seen, err := r.engine.client.ContainerInspect(ctx, id)
	if err != nil {
		return fmt.Errorf("looking at container %.12s: %w", id, err)
	}
	if before := seen.HostConfig.Memory; before > 0 && before <= limit {
		return nil
	}
	answer, err := r.engine.client.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return fmt.Errorf("asking what container %.12s uses: %w", id, err)
	}
	defer func() { _ = answer.Body.Close() }() // it has been read
	var stats container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		return fmt.Errorf("reading what container %.12s uses: %w", id, err)
	}
	if usage := stats.MemoryStats.Usage; usage > uint64(limit) {
		return fmt.Errorf("attempting to set container memory limit (%d) below current usage (%d)", limit, usage)
	}
	return nil
}
