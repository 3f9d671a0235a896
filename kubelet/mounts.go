package kubelet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/runtime"
)

// The files that a pod has on the node, below Options.Dir.
const (
	podsDir         = "pods"
	volumesDir      = "volumes"
	containersDir   = "containers"
	hostsFile       = "etc-hosts"
	resolvFile      = "resolv.conf"
	terminationPath = corev1.TerminationMessagePathDefault
)

// podDir is the directory of a pod; "" where the node has none.
func (k *Kubelet) podDir(uid types.UID) string {
	if k.options.Dir == "" {
		return ""
	}
	return filepath.Join(k.options.Dir, podsDir, string(uid))
}

// mountsOf are what the container sees of the node: its volumeMounts, and what every container has. dir is the pod's.
func mountsOf(pod *corev1.Pod, c *corev1.Container, dir string, attempt int32, vars []runtime.EnvVar) ([]runtime.Mount, error) {
	var out []runtime.Mount
	for _, m := range c.VolumeMounts {
		mount, err := volumeMount(pod, c, m, dir, vars)
		if err != nil {
			return nil, err
		}
		out = append(out, mount)
	}
	add := func(containerPath, hostPath string) {
		if !slices.ContainsFunc(out, func(m runtime.Mount) bool { return m.ContainerPath == containerPath }) {
			out = append(out, runtime.Mount{ContainerPath: containerPath, HostPath: hostPath})
		}
	}
	add("/etc/hosts", filepath.Join(dir, hostsFile))
	add("/etc/resolv.conf", filepath.Join(dir, resolvFile))
	add(terminationLogOf(c), terminationFile(dir, c.Name, attempt))
	return out, nil
}

func terminationLogOf(c *corev1.Container) string {
	if c.TerminationMessagePath == "" {
		return terminationPath
	}
	return c.TerminationMessagePath
}

// terminationFile is what an attempt at a container writes its last words to, in the pod's directory.
func terminationFile(dir, container string, attempt int32) string {
	return filepath.Join(dir, containersDir, container, strconv.Itoa(int(attempt)))
}

// volumeMount is one of the container's volumeMounts.
func volumeMount(pod *corev1.Pod, c *corev1.Container, m corev1.VolumeMount, dir string, vars []runtime.EnvVar) (runtime.Mount, error) {
	at := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
	if at < 0 {
		return runtime.Mount{}, &runtime.ConfigError{Err: fmt.Errorf("cannot find volume %q to mount into container %q", m.Name, c.Name)}
	}
	volume := pod.Spec.Volumes[at]
	part, err := subPathOf(m, vars)
	if err != nil {
		return runtime.Mount{}, &runtime.ConfigError{Err: err}
	}
	out := runtime.Mount{ContainerPath: path.Join("/", m.MountPath), ReadOnly: m.ReadOnly}
	if m.MountPropagation != nil {
		out.Propagation = *m.MountPropagation
	}
	switch {
	case volume.EmptyDir != nil:
		out.Volume, out.SubPath = volume.Name, part
		return out, nil
	case volume.HostPath != nil:
		kind := hostPathType(volume.HostPath)
		out.HostPath, out.Volume, out.SubPath, out.Type = volume.HostPath.Path, volume.Name, part, &kind
		return out, nil
	default:
		out.HostPath = filepath.Join(dir, volumesDir, volume.Name)
		out.ReadOnly = true // what the kubelet writes is nobody else's to write
	}
	if part == "" {
		return out, nil
	}
	if out.HostPath, err = within(out.HostPath, part); err != nil {
		return runtime.Mount{}, &runtime.ConfigError{Err: fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q: %w",
			m.Name, c.Name, err)}
	}
	return out, nil
}

// subPathOf is the part of the volume to mount, with variables expanded; "" is all of it.
func subPathOf(m corev1.VolumeMount, vars []runtime.EnvVar) (string, error) {
	part := m.SubPath
	if m.SubPathExpr != "" {
		missing := ""
		part = env.ExpandBy(m.SubPathExpr, func(name string) (string, bool) {
			at := slices.IndexFunc(vars, func(v runtime.EnvVar) bool { return v.Name == name })
			if at < 0 {
				missing = name
				return "", false
			}
			return vars[at].Value, true
		})
		if missing != "" {
			return "", fmt.Errorf("missing value for %q", missing)
		}
	}
	if part == "" || part == "." {
		return "", nil
	}
	switch {
	case path.IsAbs(part):
		return "", fmt.Errorf("error SubPath `%s` must not be an absolute path", part)
	case slices.Contains(strings.Split(part, "/"), ".."):
		return "", fmt.Errorf("unable to provision SubPath `%s`: must not contain '..'", part)
	}
	return path.Clean(part), nil
}

// within is the real path of a part of a directory that only this kubelet writes to, made as a directory where it is missing.
// One that leaves the directory by a link is refused.
func within(base, part string) (string, error) {
	root, err := os.OpenRoot(base)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	switch _, err := root.Stat(part); {
	case errors.Is(err, fs.ErrNotExist):
		if err := root.MkdirAll(part, 0o750); err != nil {
			return "", err
		}
	case err != nil:
		return "", err // it says that the path escapes
	}
	return filepath.EvalSymlinks(filepath.Join(base, part))
}
