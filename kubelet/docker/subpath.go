package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/versions"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/subpath"
	"minik.dev/kubelet/volumes"
)

// This file mounts what containers could replace by a link while it is mounted: parts of volumes, and hostPaths. The engine is
// given paths, which it follows a moment later; so it is given one of a private mount, of what was opened here (private_mounts.go).
//
// Where that cannot be, as this process has not got the rights or the engine is on another machine, a hostPath is mounted by
// its path, as it always was. A part of an emptyDir is left to engines of API 1.45 (Docker 26), which open it themselves;
// older ones are given its path where no other container can change it. Everything else is refused.

// subpathAPI is the first version of the engine's API that mounts parts of its volumes.
const subpathAPI = "1.45"

// open mounts what m names right now.
func (r *Runtime) open(ctx context.Context, config runtime.ContainerConfig, m runtime.Mount, taken *binds) (mount.Mount, error) {
	base := m.HostPath
	if base == "" {
		var err error
		if base, err = r.mountpoint(ctx, config.Pod, m.Volume); err != nil {
			return mount.Mount{}, err
		}
	}
	file, err := subpath.Open(base, m.SubPath)
	if err != nil {
		return mount.Mount{}, cannotOpen(config, m, err)
	}
	defer func() { _ = file.Close() }()
	if m.Type != nil && m.SubPath == "" {
		if err := checkType(*m.Type, m.HostPath, file); err != nil {
			return mount.Mount{}, cannotOpen(config, m, err)
		}
	}
	out := bindOf(m)
	if out.Source, err = taken.add(file); err != nil {
		return mount.Mount{}, fmt.Errorf("preparing the mount of %s at %s: %w", file.Name(), m.ContainerPath, err)
	}
	return out, nil
}

func checkType(kind corev1.HostPathType, path string, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return volumes.CheckHostPathType(kind, path, info.Mode())
}

// cannotOpen refuses a volumeMount as upstream words it.
func cannotOpen(config runtime.ContainerConfig, m runtime.Mount, err error) error {
	what := "subPath"
	switch {
	case m.SubPath == "" && m.HostPath != "":
		what = "hostPath"
	case m.SubPath == "":
		what = "volume"
	}
	return &runtime.ConfigError{Err: fmt.Errorf("failed to prepare %s for volumeMount %q of container %q: %w", what, m.Volume,
		config.Container.Name, err)}
}

// mountpoint is where this machine has an emptyDir, which the engine keeps.
func (r *Runtime) mountpoint(ctx context.Context, pod *corev1.Pod, name string) (string, error) {
	seen, err := r.engine.client.VolumeInspect(ctx, r.volumeName(pod.UID, name))
	if err != nil {
		return "", fmt.Errorf("looking at volume %s: %w", name, err)
	}
	if !inMemory(pod, name) {
		return seen.Mountpoint, nil
	}
	// The pod's sandbox has it mounted. Where this process does not see that, it sees a directory that nobody else uses.
	mounted, err := subpath.IsMounted(seen.Mountpoint)
	if err == nil && !mounted {
		err = errors.New("what the engine has mounted there is not seen from here")
	}
	if err != nil {
		return "", fmt.Errorf("looking at volume %s at %s: %w", name, seen.Mountpoint, err)
	}
	return seen.Mountpoint, nil
}

func inMemory(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == name && v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory
	})
}

// leave mounts m without a private mount: why says what is in the way of one.
func (r *Runtime) leave(ctx context.Context, config runtime.ContainerConfig, m runtime.Mount, sandbox string, why error,
	out *mounts) error {
	switch {
	case m.HostPath == "" && propagates(m):
		return cannotOpen(config, m, fmt.Errorf("mountPropagation %s of a volume that the engine keeps takes a private mount, and %w; "+
			"a hostPath does without", m.Propagation, why))
	case m.SubPath == "":
		out.mounts = append(out.mounts, bindOf(m))
		return nil
	case m.HostPath != "":
		return cannotOpen(config, m, fmt.Errorf("a part of a hostPath is only mounted where no link can take its place meanwhile, "+
			"and %w; let the hostPath itself name what is to be mounted", why))
	case versions.GreaterThanOrEqualTo(r.engine.client.ClientVersion(), subpathAPI):
		if err := r.makeParts(ctx, config, m, sandbox, false); err != nil {
			return err
		}
		out.mounts = append(out.mounts, volumeMount(r.volumeName(config.Pod.UID, m.Volume), m))
		return nil
	}
	if other := othersWrite(config.Pod, config.Container.Name, m.Volume); other != "" {
		return cannotOpen(config, m, fmt.Errorf("%s, and a link could take its place meanwhile, as %w; an engine of API %s (Docker "+
			"26) or newer mounts it", other, why, subpathAPI))
	}
	if err := r.makeParts(ctx, config, m, sandbox, true); err != nil {
		return err
	}
	bind, err := r.byPath(ctx, config.Pod, m)
	if err != nil {
		return err
	}
	out.binds = append(out.binds, bind)
	return nil
}

// volumeMount mounts an emptyDir, or leaves it to the engine to open a part of it.
func volumeMount(volume string, m runtime.Mount) mount.Mount {
	return mount.Mount{Type: mount.TypeVolume, Source: volume, Target: m.ContainerPath, ReadOnly: m.ReadOnly,
		VolumeOptions: &mount.VolumeOptions{NoCopy: true, Subpath: m.SubPath}}
}

// othersWrite says who else can change an emptyDir while a container is about to mount a part of it; "" is nobody. Init
// containers have ended before a container that is none begins.
func othersWrite(pod *corev1.Pod, container, volume string) string {
	if isTrue(pod.Spec.ShareProcessNamespace) {
		return "the pod's containers reach each other's files"
	}
	writes := func(c *corev1.Container) bool {
		return c.Name != container && slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.Name == volume && !m.ReadOnly
		})
	}
	init := false
	for i := range pod.Spec.InitContainers {
		init = init || pod.Spec.InitContainers[i].Name == container
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		if writes(c) && (init || sidecar) {
			return fmt.Sprintf("container %q writes to the volume", c.Name)
		}
	}
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; writes(c) {
			return fmt.Sprintf("container %q writes to the volume", c.Name)
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		c := corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		if writes(&c) {
			return fmt.Sprintf("container %q writes to the volume", c.Name)
		}
	}
	return ""
}

// makeParts makes the directories of a part of an emptyDir that are missing, through the sandbox: so no right on the engine's
// machine is needed. It refuses links where the engine would follow them by their path.
func (r *Runtime) makeParts(ctx context.Context, config runtime.ContainerConfig, m runtime.Mount, sandbox string,
	refuse bool) error {
	root := path.Join(volumesDir, m.Volume)
	mode, gid := openTo(config.Pod)
	var missing []tarEntry
	for at, part := "", m.SubPath; part != ""; {
		var name string
		name, part, _ = strings.Cut(part, "/")
		at = path.Join(at, name)
		stat, err := r.engine.client.ContainerStatPath(ctx, sandbox, path.Join(root, at))
		switch {
		case errdefs.IsNotFound(err):
			missing = append(missing, tarEntry{name: at + "/", mode: mode, gid: gid})
		case err != nil:
			return fmt.Errorf("looking at %s in volume %s: %w", at, m.Volume, err)
		case refuse && stat.LinkTarget != "" && stat.LinkTarget != path.Join(root, at):
			return cannotOpen(config, m, fmt.Errorf("%q is a symbolic link, which may leave the volume", at))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return r.unpack(ctx, sandbox, root, missing...)
}

// byPath is how engines before subpathAPI mount a part of a volume.
func (r *Runtime) byPath(ctx context.Context, pod *corev1.Pod, m runtime.Mount) (string, error) {
	seen, err := r.engine.client.VolumeInspect(ctx, r.volumeName(pod.UID, m.Volume))
	if err != nil {
		return "", fmt.Errorf("looking at volume %s: %w", m.Volume, err)
	}
	access := "rw"
	if m.ReadOnly {
		access = "ro"
	}
	source := filepath.Join(seen.Mountpoint, m.SubPath)
	if strings.Contains(source, ":") || strings.Contains(m.ContainerPath, ":") {
		return "", errors.New("a subPath of an emptyDir, and where it is mounted, must not contain a colon")
	}
	return source + ":" + m.ContainerPath + ":" + access, nil
}
