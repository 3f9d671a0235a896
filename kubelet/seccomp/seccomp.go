package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/runtime"
)

// Dir is where a node keeps the profiles that pods name by localhostProfile, below Options.Dir, as upstream's
// kubelet does below its root directory. Whoever runs the node puts them there; containers do not see it.
const Dir = "seccomp"

// largest bounds a profile's file, in bytes. That of the Docker engine, which is a long one, has 13 KiB.
const largest = 1 << 20

// ProfileOf is the profile that holds for a container: its own, else the pod's, else nil. Nil is RuntimeDefault, as
// for upstream's kubelet with seccompDefault.
// https://kubernetes.io/docs/tutorials/security/seccomp/#enable-the-use-of-runtimedefault-as-the-default-seccomp-profile-for-all-workloads
func ProfileOf(pod *corev1.Pod, c *corev1.Container) *corev1.SeccompProfile {
	if c.SecurityContext != nil && c.SecurityContext.SeccompProfile != nil {
		return c.SecurityContext.SeccompProfile
	}
	if pod.Spec.SecurityContext != nil {
		return pod.Spec.SecurityContext.SeccompProfile
	}
	return nil
}

// Local is the JSON of the profile that a container names by localhostProfile; "" where it names none, or where it is
// privileged, so that no profile holds for it. A container whose profile is not there is not started.
func Local(dir string, pod *corev1.Pod, c *corev1.Container) (string, error) {
	profile := ProfileOf(pod, c)
	privileged := c.SecurityContext != nil && ptr.Deref(c.SecurityContext.Privileged, false)
	switch {
	case dir == "" || privileged || profile == nil || profile.Type != corev1.SeccompProfileTypeLocalhost:
		return "", nil
	case profile.LocalhostProfile == nil || *profile.LocalhostProfile == "":
		return "", &runtime.ConfigError{Err: errors.New("localhostProfile must be set if seccompProfile type is Localhost")}
	case !filepath.IsLocal(*profile.LocalhostProfile):
		return "", &runtime.ConfigError{Err: fmt.Errorf("localhostProfile %q must be a path below the node's directory %s", *profile.LocalhostProfile,
			filepath.Join(dir, Dir))}
	}
	text, err := read(dir, *profile.LocalhostProfile)
	if err != nil {
		at := filepath.Join(dir, Dir, *profile.LocalhostProfile)
		var failed *fs.PathError
		if errors.As(err, &failed) { // it names a part of the path only
			err = &fs.PathError{Op: "open", Path: at, Err: failed.Err}
		}
		return "", fmt.Errorf("cannot load seccomp profile %q: %w", at, err)
	}
	return text, nil
}

// readSeccomp reads a profile of the node. Links may lead to others of its profiles, and not out of their directory.
func read(dir, name string) (string, error) {
	profiles, err := os.OpenRoot(filepath.Join(dir, Dir))
	if err != nil {
		return "", err
	}
	defer func() { _ = profiles.Close() }()
	info, err := profiles.Stat(path.Clean(name))
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("it is not a file")
	}
	file, err := profiles.Open(path.Clean(name))
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, largest+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > largest:
		return "", fmt.Errorf("it has more than %d bytes", largest)
	case !json.Valid(text):
		return "", errors.New("it is not JSON")
	}
	return string(text), nil
}
