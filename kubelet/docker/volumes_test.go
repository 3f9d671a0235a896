package docker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

func emptyDirs(pod *corev1.Pod, sources map[string]*corev1.EmptyDirVolumeSource) *corev1.Pod {
	for name, source := range sources {
		pod.Spec.Volumes = append(pod.Spec.Volumes,
			corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: source}})
	}
	return pod
}

// Every user may write to an emptyDir, and to a part of one that is made for a container; the pod's fsGroup owns both.
// https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
func TestWhoMayWriteToAnEmptyDir(t *testing.T) {
	image := dockertest.Tool(t)
	node := run(t, newCluster(t).node("node-1", 1))
	for _, medium := range []corev1.StorageMedium{corev1.StorageMediumDefault, corev1.StorageMediumMemory} {
		for _, group := range []*int64{nil, ptr.To[int64](4321)} {
			name, mode, owner := "plain"+string(medium), "drwxrwxrwx 0 0\n", ""
			if group != nil {
				name, mode, owner = "grouped"+string(medium), "dgrwxrwxrwx 0 4321\n", " 4321"
			}
			pod := emptyDirs(podNamed(name, image, "stat", "/whole", "stat", "/part", "write", "/part/file", "x", "id"),
				map[string]*corev1.EmptyDirVolumeSource{"v": {Medium: medium}})
			pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](1234), FSGroup: group}
			require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
			out := node.output(pod, runtime.Mount{ContainerPath: "/whole", Volume: "v"},
				runtime.Mount{ContainerPath: "/part", Volume: "v", SubPath: "deep/part"})
			require.Equal(t, mode+mode+"1234 0 [0"+owner+"]\n", out, name)
		}
	}
}

// An emptyDir outlives containers and sandboxes, and goes when the kubelet says so.
func TestAnEmptyDirIsThePods(t *testing.T) {
	image := dockertest.Tool(t)
	cluster := newCluster(t)
	node := run(t, cluster.node("node-1", 1))
	pod := emptyDirs(podNamed("web", image, "write", "/v/file", "kept"), map[string]*corev1.EmptyDirVolumeSource{"v": {}})
	whole := runtime.Mount{ContainerPath: "/v", Volume: "v"}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	require.Empty(t, node.output(pod, whole))
	require.NoError(t, node.Remove(t.Context(), node.pod(pod.UID).Sandbox.ID))
	left := node.pod(pod.UID)
	require.NotNil(t, left, "its volumes are still there")
	require.Equal(t, []string{"v"}, left.Volumes)
	require.Empty(t, left.Sandbox.ID)

	node.end()
	node = run(t, cluster.node("node-1", 1)) // as after kill -9
	require.Equal(t, []string{"v"}, node.pod(pod.UID).Volumes)
	pod.Spec.Containers[0].Args = []string{"cat", "/v/file"}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 1))
	require.Equal(t, "kept", node.output(pod, whole))
	readOnly := whole
	readOnly.ReadOnly = true
	pod.Spec.Containers[0].Args = []string{"write", "/v/file", "changed"}
	id := node.start(pod, 1, readOnly)
	require.EqualValues(t, 1, node.ended(pod, id).ExitCode)
	require.Contains(t, node.log(id), "read-only file system")

	require.NoError(t, node.Remove(t.Context(), node.pod(pod.UID).Sandbox.ID))
	require.NoError(t, node.RemoveVolumes(t.Context(), pod.UID))
	require.NoError(t, node.RemoveVolumes(t.Context(), pod.UID), "that there are none is no error")
	require.Nil(t, node.pod(pod.UID))
}

// What is in memory lives as long as the sandbox, from container to container, and is no larger than its limit.
func TestAnEmptyDirInMemory(t *testing.T) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	pod := emptyDirs(podNamed("web", image), map[string]*corev1.EmptyDirVolumeSource{
		"v": {Medium: corev1.StorageMediumMemory, SizeLimit: ptr.To(resource.MustParse("64Ki"))}})
	whole := runtime.Mount{ContainerPath: "/v", Volume: "v"}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	pod.Spec.Containers[0].Command = []string{"sh", "-c", "echo kept > /v/file"}
	node.ended(pod, node.start(pod, 0, whole))
	pod.Spec.Containers[0].Command = []string{"sh", "-c", "cat /v/file; dd if=/dev/zero of=/v/large bs=100k count=1"}
	id := node.start(pod, 1, whole)
	require.EqualValues(t, 1, node.ended(pod, id).ExitCode)
	require.Contains(t, node.log(id), "kept\n")
	require.Contains(t, node.log(id), "No space left on device")
}

// A part of a volume is inside of it: a link that leads out is refused, and one that stays in it is followed.
// https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath
func TestASubPathStaysInItsVolume(t *testing.T) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	shared := t.TempDir()
	for name, whole := range map[string]runtime.Mount{
		"emptydir": {ContainerPath: "/v", Volume: "v"},
		"hostpath": {ContainerPath: "/v", Volume: "h", HostPath: shared, Type: ptr.To(corev1.HostPathDirectory)},
	} {
		pod := emptyDirs(podNamed("web-"+name, image), map[string]*corev1.EmptyDirVolumeSource{"v": {}})
		pod.Spec.Containers[0].Command = []string{"sh", "-c",
			"ln -s / /v/out; ln -s ../v /v/up; mkdir /v/dir; ln -s dir/file /v/link; echo text > /v/dir/file"}
		require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
		require.Empty(t, node.output(pod, whole))
		part := whole
		part.ContainerPath = "/p"
		for _, part.SubPath = range []string{"out", "out/etc", "up", "up/dir"} {
			_, err := node.tryStart(pod, 1, part)
			var refused *runtime.ConfigError
			require.ErrorAs(t, err, &refused, part.SubPath)
			require.ErrorContains(t, err, `failed to prepare subPath for volumeMount "`+whole.Volume+`" of container "main": `)
		}
		pod.Spec.Containers[0].Command = []string{"cat", "/p"}
		for i, sub := range []string{"dir/file", "link"} {
			part.SubPath = sub
			id := node.start(pod, int32(i+1), part)
			node.ended(pod, id)
			require.Equal(t, "text\n", node.log(id))
		}
		part.SubPath, part.ReadOnly = "new/deep", true
		pod.Spec.Containers[0].Command = []string{"sh", "-c", "ls /p; touch /p/x"}
		id := node.start(pod, 3, part)
		require.EqualValues(t, 1, node.ended(pod, id).ExitCode)
		require.Contains(t, node.log(id), "Read-only file system")
	}
	info, err := os.Stat(filepath.Join(shared, "new/deep"))
	require.NoError(t, err)
	of, err := os.Stat(shared)
	require.NoError(t, err)
	require.Equal(t, of.Mode(), info.Mode())
}
