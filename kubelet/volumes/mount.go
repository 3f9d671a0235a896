package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/runtime"
)

// MountOf is one of the container's volumeMounts. dir is the pod's directory, vars are what subPathExpr may name.
func MountOf(pod *corev1.Pod, c *corev1.Container, m corev1.VolumeMount, dir string, vars []runtime.EnvVar) (runtime.Mount, error) {
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
	row, err := rowOf(&volume.VolumeSource)
	if err != nil {
		return runtime.Mount{}, err
	}
	if row.mount != nil {
		out.Volume, out.SubPath = volume.Name, part
		row.mount(&volume.VolumeSource, &out)
		return out, nil
	}
	out.HostPath = filepath.Join(dir, Dir, volume.Name)
	out.ReadOnly = true // what the kubelet writes is nobody else's to write
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
