package docker

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/runtime"
)

// volumesDir is where a sandbox has the pod's emptyDirs and the files of images: it keeps those in memory alive from container to
// container, and is where all are prepared.
const volumesDir = "/volumes"

// makeVolumes makes the pod's volumes that the engine keeps where they are missing, and returns how the sandbox mounts them.
func (r *Runtime) makeVolumes(ctx context.Context, pod *corev1.Pod) ([]mount.Mount, error) {
	var out []mount.Mount
	for _, v := range pod.Spec.Volumes {
		if v.EmptyDir == nil && v.Image == nil {
			continue
		}
		name := "minik-" + short(r.options.Cluster) + "-" + string(pod.UID) + "-" + v.Name
		labels := r.podLabels(pod)
		labels[labelVolume] = v.Name
		options := volume.CreateOptions{Name: name, Driver: "local", Labels: labels}
		if v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory {
			options.DriverOpts = map[string]string{"type": "tmpfs", "device": "tmpfs", "o": tmpfsOptions(pod, v.EmptyDir)}
		}
		if _, err := r.engine.client.VolumeCreate(ctx, options); err != nil {
			return nil, fmt.Errorf("making volume %s: %w", v.Name, err)
		}
		r.mu.Lock()
		r.keepVolumeLocked(pod.UID, v.Name, name)
		r.mu.Unlock()
		out = append(out, mount.Mount{Type: mount.TypeVolume, Source: name, Target: path.Join(volumesDir, v.Name),
			VolumeOptions: &mount.VolumeOptions{NoCopy: true}})
	}
	return out, nil
}

// openTo is how the pod's emptyDirs, and the directories that are made in them, are open: every user may write, as with
// upstream's kubelet, and the pod's fsGroup owns them and what is made in them.
func openTo(pod *corev1.Pod) (mode int64, gid int) {
	if s := pod.Spec.SecurityContext; s != nil && s.FSGroup != nil {
		return 0o2777, int(*s.FSGroup)
	}
	return 0o777, 0
}

func tmpfsOptions(pod *corev1.Pod, v *corev1.EmptyDirVolumeSource) string {
	mode, gid := openTo(pod)
	options := fmt.Sprintf("mode=%#o,gid=%d", mode, gid)
	if v.SizeLimit != nil && !v.SizeLimit.IsZero() {
		options += fmt.Sprintf(",size=%d", v.SizeLimit.Value())
	}
	return options
}

// openVolumes opens the emptyDirs on disk. Those in memory are made anew with each sandbox, by their options.
func (r *Runtime) openVolumes(ctx context.Context, pod *corev1.Pod, sandbox string) error {
	mode, gid := openTo(pod)
	var entries []tarEntry
	for _, v := range pod.Spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory {
			entries = append(entries, tarEntry{name: v.Name + "/", mode: mode, gid: gid})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return r.unpack(ctx, sandbox, volumesDir, entries...)
}

func (r *Runtime) unpack(ctx context.Context, sandbox, dir string, entries ...tarEntry) error {
	archive, err := tarOf(entries...)
	if err != nil {
		return err
	}
	if err := r.engine.client.CopyToContainer(ctx, sandbox, dir, archive, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("preparing the pod's volumes: %w", err)
	}
	return nil
}

// keepVolumeLocked remembers a volume; r.mu is held.
func (r *Runtime) keepVolumeLocked(uid types.UID, volume, name string) {
	if r.volumes[uid] == nil {
		r.volumes[uid] = map[string]string{}
	}
	r.volumes[uid][volume] = name
}

// RemoveVolumes is runtime.VolumeKeeper's.
func (r *Runtime) RemoveVolumes(ctx context.Context, uid types.UID) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	args := r.ours()
	args.Add("label", labelUID+"="+string(uid))
	if err := r.engine.removeVolumes(ctx, args); err != nil {
		return err
	}
	r.mu.Lock()
	for _, name := range r.volumes[uid] {
		delete(r.filled, name)
	}
	delete(r.volumes, uid)
	r.mu.Unlock()
	r.tell(uid)
	return nil
}

// mountsOf are the container's mounts in the engine's words. What is in taken is there until the caller releases it.
func (r *Runtime) mountsOf(ctx context.Context, config runtime.ContainerConfig, sandbox string, taken *binds) (mounts, error) {
	var out mounts
	for _, m := range config.Mounts {
		switch {
		case m.HostPath != "" && m.Type == nil:
			out.mounts = append(out.mounts, bindOf(m))
			continue
		case m.HostPath == "" && m.SubPath == "" && !propagates(m):
			out.mounts = append(out.mounts, volumeMount(r.volumeName(config.Pod.UID, m.Volume), m))
			continue
		}
		why, err := r.binder.ready(ctx)
		switch {
		case err != nil:
			return mounts{}, err
		case why != nil:
			err = r.leave(ctx, config, m, sandbox, why, &out)
		default:
			var opened mount.Mount
			opened, err = r.open(ctx, config, m, taken)
			out.mounts = append(out.mounts, opened)
		}
		if err != nil {
			return mounts{}, err
		}
	}
	return out, nil
}

func (r *Runtime) volumeName(uid types.UID, volume string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.volumes[uid][volume]
}

// bindOf mounts a path. Without propagation it is the engine's own default, which is private, and the only one that it takes
// where a path leads to its own files, as / does: there mounts that come later may be seen, where the machine shares them.
func bindOf(m runtime.Mount) mount.Mount {
	out := mount.Mount{Type: mount.TypeBind, Source: m.HostPath, Target: m.ContainerPath, ReadOnly: m.ReadOnly}
	switch m.Propagation {
	case corev1.MountPropagationHostToContainer:
		out.BindOptions = &mount.BindOptions{Propagation: mount.PropagationRSlave}
	case corev1.MountPropagationBidirectional:
		out.BindOptions = &mount.BindOptions{Propagation: mount.PropagationRShared}
	}
	return out
}

// propagates says that mounts made on one side are to be seen on the other.
func propagates(m runtime.Mount) bool {
	return m.Propagation == corev1.MountPropagationHostToContainer || m.Propagation == corev1.MountPropagationBidirectional
}

// unshared words the engine's refusal of a container with mounts that must propagate, and whose machine does not share what
// they are on. It is nil where err is about something else. There is no type for it: the words are the engine's, unchanged
// since 1.10.
func unshared(config runtime.ContainerConfig, err error) error {
	text := err.Error()
	if !strings.Contains(text, "is not a shared mount") && !strings.Contains(text, "is not a shared or slave mount") {
		return nil
	}
	var asked []string
	for _, m := range config.Mounts {
		if propagates(m) {
			what := m.HostPath
			if what == "" {
				what = "volume " + m.Volume
			}
			asked = append(asked, fmt.Sprintf("%s at %s (%s)", what, m.ContainerPath, m.Propagation))
		}
	}
	if len(asked) == 0 {
		return nil
	}
	return fmt.Errorf("container %q asks for mountPropagation, and the engine's machine does not share a mount that it needs for %s; "+
		"`mount --make-rshared /` there shares all: %w", config.Container.Name, strings.Join(asked, ", "), err)
}
