package docker

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"minik.dev/kubelet/runtime"
)

// This file puts the files of images into pods' volumes. Engines before API 1.48 mount no images, so the pod has a volume of its
// own, as for an emptyDir, into which the image is unpacked before the first container starts that mounts it. That costs a copy of
// the image for each pod. (Upstream's runtimes mount the image's layers.)

// fillVolumes makes sure that the volumes which the container mounts have the files of their images.
func (r *Runtime) fillVolumes(ctx context.Context, config runtime.ContainerConfig, sandbox string) error {
	for _, m := range config.Mounts {
		id := config.ImageVolumes[m.Volume]
		if id == "" {
			continue
		}
		name := r.volumeName(config.Pod.UID, m.Volume)
		r.mu.Lock()
		filled := r.filled[name] == id
		r.mu.Unlock()
		if filled {
			continue
		}
		if err := r.unpackImage(ctx, id, sandbox, path.Join(volumesDir, m.Volume)); err != nil {
			return fmt.Errorf("failed to mount image volume %q: %w", m.Volume, err)
		}
		r.mu.Lock()
		r.filled[name] = id
		r.mu.Unlock()
	}
	return nil
}

// unpackImage puts the files of an image into a directory of a container.
func (r *Runtime) unpackImage(ctx context.Context, id, into, dir string) error {
	saved, err := r.engine.client.ImageSave(ctx, []string{engineID(id)})
	if err != nil {
		return fmt.Errorf("reading the image: %w", err)
	}
	defer func() { _ = saved.Close() }()
	archive, err := os.CreateTemp("", "minik-image-")
	if err != nil {
		return err
	}
	defer func() { _, _ = archive.Close(), os.Remove(archive.Name()) }()
	if _, err := io.Copy(archive, saved); err != nil {
		return fmt.Errorf("reading the image: %w", err)
	}
	image, err := tarball.ImageFromPath(archive.Name(), nil)
	if err != nil {
		return fmt.Errorf("reading the image: %w", err)
	}
	files := mutate.Extract(image) // its layers as one, without what later ones have removed
	defer func() { _ = files.Close() }()
	if err := r.engine.client.CopyToContainer(ctx, into, dir, files, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("unpacking the image: %w", err)
	}
	return nil
}
