package docker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

// withoutPrivateMounts makes the node mount by path, as one without root does.
func (n *testNode) withoutPrivateMounts() {
	n.binder.mu.Lock()
	defer n.binder.mu.Unlock()
	n.binder.checked, n.binder.why = true, errors.New("this process may not mount")
}

// mayMount skips the test where this process can mount nothing that the engine sees.
func (n *testNode) mayMount() {
	n.t.Helper()
	why, err := n.binder.ready(n.t.Context())
	require.NoError(n.t, err)
	if why != nil {
		n.t.Skipf("no mounts: %v", why)
	}
}

// mountedDir is a directory of its own file system, which is shared with other mount namespaces or is not.
func mountedDir(t *testing.T, propagation uintptr) string {
	dir := t.TempDir()
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, ""))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	require.NoError(t, unix.Mount("", dir, "", propagation, ""))
	return dir
}

// mountsThings is what a container needs in order to mount. (The API asks that it is privileged; that takes more than some machines have.)
var mountsThings = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}},
	AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}}

// propagating are the ways to mount a hostPath: by a private mount, and by its path.
var propagating = map[string]func(*testNode){"private": (*testNode).mayMount, "path": func(n *testNode) {
	n.mayMount()
	n.withoutPrivateMounts()
}}

// `kubectl debug node` mounts the whole machine.
func TestAHostPathOfTheWholeMachine(t *testing.T) {
	image := dockertest.Tool(t)
	for name, prepare := range map[string]func(*testNode){"as it is": func(*testNode) {}, "path": (*testNode).withoutPrivateMounts} {
		t.Run(name, func(t *testing.T) {
			node := run(t, newCluster(t).node("node-1", 1))
			pod := podNamed("debug", image, "cat", "/host/proc/sys/kernel/ostype")
			require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
			prepare(node)
			require.Equal(t, "Linux\n", node.output(pod, runtime.Mount{ContainerPath: "/host", Volume: "host-root", HostPath: "/",
				Type: ptr.To(corev1.HostPathUnset)}))
		})
	}
}

// https://kubernetes.io/docs/concepts/storage/volumes/#mount-propagation
func TestMountPropagation(t *testing.T) {
	image := dockertest.Busybox(t)
	for way, prepare := range propagating {
		for mode, want := range map[corev1.MountPropagationMode]struct {
			log  string // what the container sees of a mount that the machine makes later
			back bool   // the machine sees a mount of the container
		}{
			"":                                     {log: ""},
			corev1.MountPropagationNone:            {log: ""},
			corev1.MountPropagationHostToContainer: {log: "seen\n"},
			corev1.MountPropagationBidirectional:   {log: "seen\n", back: true},
		} {
			t.Run(way+" "+string(mode), func(t *testing.T) {
				node := run(t, newCluster(t).node("node-1", 1))
				pod := podNamed("web", image)
				pod.Spec.Containers[0].SecurityContext = mountsThings
				pod.Spec.Containers[0].Command = []string{"sh", "-c", "mount -t tmpfs none /v/made && echo > /v/made/inside; " +
					"echo >/v/mounted; while ! [ -e /v/go ]; do sleep 0.01; done; ls /v/late"}
				require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
				prepare(node)
				shared := mountedDir(t, unix.MS_SHARED)
				for _, name := range []string{"made", "late"} {
					require.NoError(t, os.Mkdir(filepath.Join(shared, name), 0o755))
				}
				id := node.start(pod, 0, runtime.Mount{ContainerPath: "/v", Volume: "v", HostPath: shared,
					Type: ptr.To(corev1.HostPathDirectory), Propagation: mode})
				eventually(t, func() bool { _, err := os.Stat(filepath.Join(shared, "mounted")); return err == nil })
				_, err := os.Stat(filepath.Join(shared, "made", "inside"))
				require.Equal(t, want.back, err == nil, "%v", err)
				require.NoError(t, unix.Mount("none", filepath.Join(shared, "late"), "tmpfs", 0, ""))
				require.NoError(t, os.WriteFile(filepath.Join(shared, "late", "seen"), nil, 0o600))
				require.NoError(t, os.WriteFile(filepath.Join(shared, "go"), nil, 0o600))
				node.ended(pod, id)
				require.Equal(t, want.log, node.log(id))
			})
		}
	}
}

// What the machine does not share is refused before there is a process, with what would help, and is tried again.
func TestMountPropagationOfWhatIsNotShared(t *testing.T) {
	image := dockertest.Tool(t)
	for way, prepare := range propagating {
		t.Run(way, func(t *testing.T) {
			node := run(t, newCluster(t).node("node-1", 1))
			prepare(node)
			private := mountedDir(t, unix.MS_PRIVATE)
			pod := podNamed("web", image, "say", "runs")
			require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
			mount := runtime.Mount{ContainerPath: "/v", Volume: "v", HostPath: private, Type: ptr.To(corev1.HostPathDirectory)}
			for _, mount.Propagation = range []corev1.MountPropagationMode{corev1.MountPropagationHostToContainer,
				corev1.MountPropagationBidirectional} {
				_, err := node.tryStart(pod, 0, mount)
				require.ErrorContains(t, err, `container "main" asks for mountPropagation, and the engine's machine does not share a `+
					"mount that it needs for "+private+" at /v ("+string(mount.Propagation)+"); `mount --make-rshared /` there shares all: ")
				require.Empty(t, node.pod(pod.UID).Containers)
			}
			require.NoError(t, unix.Mount("", private, "", unix.MS_SHARED, ""))
			require.Equal(t, "runs\n", node.output(pod, mount))
		})
	}
}

// A container that mounts something into an emptyDir shows it to the pod's other containers, where both ask for that.
func TestMountPropagationInAnEmptyDir(t *testing.T) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	node.mayMount()
	pod := emptyDirs(podNamed("web", image), map[string]*corev1.EmptyDirVolumeSource{"v": {}})
	c := &pod.Spec.Containers[0]
	c.SecurityContext = mountsThings
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	mount := runtime.Mount{ContainerPath: "/v", Volume: "v", Propagation: corev1.MountPropagationBidirectional}
	c.Name, c.Command = "mounts", []string{"sh", "-c", "mkdir /v/made; mount -t tmpfs none /v/made; echo text > /v/made/file; " +
		"echo mounted; while ! [ -e /v/go ]; do sleep 0.01; done; umount /v/made"}
	mounter := node.start(pod, 0, mount)
	node.awaitLog(mounter, "mounted")
	for mode, log := range map[corev1.MountPropagationMode]string{corev1.MountPropagationHostToContainer: "text\n",
		corev1.MountPropagationBidirectional: "text\n"} {
		mount.Propagation = mode
		c.Name, c.Command = "sees-"+string(mode[:1]), []string{"cat", "/v/made/file"}
		require.Equal(t, log, node.output(pod, mount))
	}
	c.Name, c.Command = "ends", []string{"touch", "/v/go"}
	node.output(pod, mount)
	node.ended(pod, mounter)

	node.withoutPrivateMounts()
	c.Name = "refused"
	_, err := node.tryStart(pod, 0, mount)
	var refused *runtime.ConfigError
	require.ErrorAs(t, err, &refused)
	require.EqualError(t, err, `failed to prepare volume for volumeMount "v" of container "refused": mountPropagation Bidirectional of a `+
		"volume that the engine keeps takes a private mount, and this process may not mount; a hostPath does without")
}
