package kubelet

import (
	"path/filepath"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

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
