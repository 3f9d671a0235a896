package docker

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

func profile(kind corev1.SeccompProfileType) *corev1.SeccompProfile {
	return &corev1.SeccompProfile{Type: kind}
}

// What a container tries that the engine's own profile forbids: a user namespace, in which it would be root over more of the
// kernel. Its first line is the kernel's word for how it is confined: 2 by a filter, 0 not at all.
const breakOut = "grep ^Seccomp: /proc/self/status; unshare -U true 2>&1 && echo got out"

// A container has the engine's own profile unless the spec says otherwise; its own word counts more than the pod's, and a
// privileged one has none. https://kubernetes.io/docs/tutorials/security/seccomp/
func TestContainersAreConfined(t *testing.T) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	const confined, free = "Seccomp:\t2\nunshare: unshare(0x10000000): Operation not permitted\n", "Seccomp:\t0\ngot out\n"
	for i, c := range []struct {
		name           string
		pod, container *corev1.SeccompProfile
		privileged     *bool
		want           string
	}{
		{"nothing asked for", nil, nil, nil, confined},
		{"the engine's asked for", profile(corev1.SeccompProfileTypeRuntimeDefault), nil, nil, confined},
		{"none asked for", nil, profile(corev1.SeccompProfileTypeUnconfined), nil, free},
		{"none for the pod", profile(corev1.SeccompProfileTypeUnconfined), nil, nil, free},
		{"the container's word counts", profile(corev1.SeccompProfileTypeUnconfined),
			profile(corev1.SeccompProfileTypeRuntimeDefault), nil, confined},
		{"privileged", profile(corev1.SeccompProfileTypeRuntimeDefault), nil, ptr.To(true), free},
	} {
		pod := podNamed(fmt.Sprintf("web-%d", i), image)
		pod.Spec.Containers[0].Command = []string{"sh", "-c", breakOut}
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: c.pod}
		pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{SeccompProfile: c.container, Privileged: c.privileged}
		require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
		id := node.start(pod, 0)
		if end := node.ended(pod, id); c.privileged != nil && strings.Contains(end.Message, "unable to apply caps") {
			continue // this engine has not got what a privileged container is given
		}
		require.Equal(t, c.want, node.log(id), c.name)
		box, err := node.engine.client.ContainerInspect(t.Context(), engineID(node.pod(pod.UID).Sandbox.ID))
		require.NoError(t, err)
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", box.State.Pid))
		if err != nil {
			continue // the engine's machine is another one
		}
		require.Contains(t, string(status), "\nSeccomp:\t2\n", "%s: the sandbox", c.name)
	}
}

// A profile of the node is the one that holds.
func TestAProfileOfTheNode(t *testing.T) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	pod := podNamed("web", image)
	c := &pod.Spec.Containers[0]
	c.Command = []string{"sh", "-c", "unshare -U true && echo got out; mkdir /tmp/d || echo kept in"}
	c.SecurityContext = &corev1.SecurityContext{SeccompProfile: &corev1.SeccompProfile{
		Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr.To("no-mkdir.json")}}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	imageID, err := node.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: c, Image: c.Image, Policy: corev1.PullNever}, func() {})
	require.NoError(t, err)
	id, err := node.StartContainer(t.Context(), runtime.ContainerConfig{Pod: pod, Container: c, ImageID: imageID,
		Command: c.Command, Seccomp: `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
			{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}`})
	require.NoError(t, err)
	node.ended(pod, id)
	require.Equal(t, "got out\nmkdir: can't create directory '/tmp/d': Operation not permitted\nkept in\n", node.log(id))
}

// Where an engine confines nobody, whoever starts the cluster is told.
func TestAnEngineThatConfinesNobody(t *testing.T) {
	for says, options := range map[string][]string{
		"": {"name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"},
		"without seccomp: containers may make every system call":                         {"name=apparmor"},
		"whose own seccomp profile is unconfined: containers may make every system call": {"name=seccomp,profile=unconfined"},
	} {
		require.Equal(t, says, (&Engine{security: options}).Warning())
	}
}
