package sim

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// Resize is runtime.Resizer's. A simulated container uses nothing, so whatever it is given is enough for it.
func (r *Runtime) Resize(_ context.Context, id string, spec *corev1.Container) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil || c.State != runtime.Running {
		return fmt.Errorf("resizing %s, which does not run: %w", id, runtime.ErrNotFound)
	}
	resized := *c.spec
	resized.Resources = *spec.Resources.DeepCopy()
	c.spec = &resized
	return nil
}
