package kubelet

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/network"
	"minik.dev/kubelet/poddir"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/volumes"
)

// The files that a pod has on the node, below Options.Dir.
const (
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
	return poddir.Path(k.options.Dir, uid)
}

// mountsOf are what the container sees of the node: its volumeMounts, and what every container has. dir is the pod's.
func mountsOf(pod *corev1.Pod, c *corev1.Container, dir string, attempt int32, vars []runtime.EnvVar) ([]runtime.Mount, error) {
	var out []runtime.Mount
	for _, m := range c.VolumeMounts {
		mount, err := volumes.MountOf(pod, c, m, dir, vars)
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

// prepareMounts writes the files that every container has, and says what the container mounts.
func (s *session) prepareMounts(pod *corev1.Pod, c *corev1.Container, attempt int32, vars []runtime.EnvVar, ips []string) (
	[]runtime.Mount, error) {
	dir := s.podDir(pod.UID)
	if dir == "" {
		return nil, nil
	}
	home, err := poddir.Open(s.options.Dir, pod.UID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = home.Close() }()
	node, _ := os.ReadFile("/etc/hosts") // a machine without one has nothing to add
	resolv, warnings := network.ResolverOf(pod, s.options.ClusterDNS, s.options.ClusterDomain, network.NodeResolver(pod.Spec.HostNetwork))
	for _, w := range warnings {
		s.event(pod, nil, w)
	}
	for _, f := range []struct {
		path, text string
		mode       fs.FileMode
	}{
		{hostsFile, network.Hosts(pod, ips, s.options.ClusterDomain, string(node)), 0o644},
		{resolvFile, resolv.String(), 0o644},
		{terminationFile("", c.Name, attempt), "", 0o666}, // whoever the container runs as
	} {
		if err := poddir.WriteInPlace(home, f.path, f.text, f.mode); err != nil {
			return nil, fmt.Errorf("writing what every container has: %w", err)
		}
	}
	// As many are kept as there are attempts that can be told of: this one and the one before.
	if err := home.RemoveAll(terminationFile("", c.Name, attempt-2)); err != nil {
		return nil, fmt.Errorf("removing an old termination log: %w", err)
	}
	return mountsOf(pod, c, dir, attempt, vars)
}
