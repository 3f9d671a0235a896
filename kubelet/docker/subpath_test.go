package docker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/versions"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/subpath"
)

// attacked is a volume with the directory "dir", which has one file "inside", and a container that exchanges it for a link to
// outside, over and over.
func attacked(t *testing.T, node *testNode, pod *corev1.Pod, whole runtime.Mount, outside string) {
	c := &pod.Spec.Containers[0]
	c.Name, c.Image = "prepare", dockertest.Busybox(t)
	c.Command = []string{"sh", "-c", "mkdir /v/dir && echo > /v/dir/inside && ln -s " + outside + " /v/out && echo prepared"}
	require.Equal(t, "prepared\n", node.output(pod, whole))
	c.Name, c.Image, c.Command, c.Args = "attacker", dockertest.Tool(t), nil, []string{"say", "swaps", "swap", "/v/dir", "/v/out"}
	node.awaitLog(node.start(pod, 0, whole), "swaps")
}

// A container that exchanges a directory of a volume for a link, while another one mounts it by subPath, gets nothing of the
// machine into that one: what is mounted is the volume's own directory, or the start is refused and tried again.
func TestSubPathAgainstASwap(t *testing.T) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	shared, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), nil, 0o600))
	for name, v := range map[string]runtime.Mount{
		"emptydir": {Volume: "v", ContainerPath: "/v"},
		"memory":   {Volume: "m", ContainerPath: "/v"},
		"hostpath": {Volume: "h", HostPath: shared, Type: ptr.To(corev1.HostPathDirectory), ContainerPath: "/v"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := emptyDirs(podNamed("web-"+name, image), map[string]*corev1.EmptyDirVolumeSource{
				"v": {}, "m": {Medium: corev1.StorageMediumMemory}})
			require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
			attacked(t, node, pod, v, outside)
			c := &pod.Spec.Containers[0]
			c.Name, c.Image, c.Command, c.Args = "victim", image, []string{"ls", "/p"}, nil
			part := v
			part.ContainerPath, part.SubPath = "/p", "dir"
			started, refused := 0, 0
			end := time.Now().Add(patience)
			for attempt := int32(0); started < 3 || refused < 1; attempt++ {
				require.True(t, time.Now().Before(end), "started %d times, refused %d times", started, refused)
				id, err := node.tryStart(pod, attempt, part)
				if err != nil {
					var config *runtime.ConfigError
					require.ErrorAs(t, err, &config)
					require.ErrorContains(t, err, "failed to prepare subPath for volumeMount")
					refused++
					continue
				}
				started++
				node.ended(pod, id)
				require.Equal(t, "inside\n", node.log(id))
			}
			require.NoError(t, node.Remove(t.Context(), node.pod(pod.UID).Sandbox.ID))
		})
	}
}

// What is checked of a hostPath is what is mounted, though its name is another file's by the time that the engine looks.
func TestAHostPathIsWhatWasChecked(t *testing.T) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	shared := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(shared, "file"), []byte("checked\n"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(shared, "dir"), 0o755))
	attacker := podNamed("attacker", dockertest.Tool(t), "say", "swaps", "swap", "/v/file", "/v/dir")
	require.NoError(t, node.StartSandbox(t.Context(), attacker, 0))
	node.awaitLog(node.start(attacker, 0, runtime.Mount{ContainerPath: "/v", Volume: "v", HostPath: shared,
		Type: ptr.To(corev1.HostPathDirectory)}), "swaps")
	pod := podNamed("web", image)
	pod.Spec.Containers[0].Command = []string{"cat", "/p"}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	path := filepath.Join(shared, "file")
	started, refused := 0, 0
	end := time.Now().Add(patience)
	for attempt := int32(0); started < 3 || refused < 1; attempt++ {
		require.True(t, time.Now().Before(end), "started %d times, refused %d times", started, refused)
		id, err := node.tryStart(pod, attempt, runtime.Mount{ContainerPath: "/p", Volume: "v", HostPath: path,
			Type: ptr.To(corev1.HostPathFile)})
		if err != nil {
			require.ErrorContains(t, err, `failed to prepare hostPath for volumeMount "v" of container "main": hostPath type check `+
				"failed: "+path+" is not a file")
			refused++
			continue
		}
		started++
		node.ended(pod, id)
		require.Equal(t, "checked\n", node.log(id))
	}
}

// mountsBelow are what this machine has mounted below a directory.
func mountsBelow(t *testing.T, dir string) []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	var out []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); strings.HasPrefix(fields[4], dir) {
			out = append(out, fields[4])
		}
	}
	return out
}

// Private mounts are gone when the container has started. Those of a kubelet that was killed go when the next one starts, or
// with the cluster's containers; what they led to stays.
func TestPrivateMountsAreTakenAway(t *testing.T) {
	image := dockertest.Busybox(t)
	cluster := newCluster(t)
	node := run(t, cluster.node("node-1", 1))
	why, err := node.binder.ready(t.Context())
	require.NoError(t, err)
	if why != nil {
		t.Skipf("no private mounts: %v", why)
	}
	shared := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(shared, "file"), []byte("kept"), 0o600))
	whole := runtime.Mount{ContainerPath: "/v", Volume: "v", HostPath: shared, Type: ptr.To(corev1.HostPathUnset)}
	pod := podNamed("web", image)
	pod.Spec.Containers[0].Command = []string{"sh", "-c", "while ! [ -e /v/go ]; do sleep 0.01; done; cat /v/file"}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	id := node.start(pod, 0, whole)
	dir := clusterBinds(cluster.id)
	require.Equal(t, []string{filepath.Join(dir, "node-1")}, mountsBelow(t, dir), "the container runs, and needs it no more")
	require.NoError(t, os.WriteFile(filepath.Join(shared, "go"), nil, 0o600))
	node.ended(pod, id)
	require.Equal(t, "kept", node.log(id))

	killed := func() { // as a kubelet that was killed in the middle leaves it
		b := newBinder(cluster.engine, cluster.id, "node-1")
		_, err := b.ready(t.Context())
		require.NoError(t, err)
		for _, path := range []string{shared, filepath.Join(shared, "file")} {
			file, err := subpath.Open(path, "")
			require.NoError(t, err)
			defer file.Close()
			_, err = (&binds{binder: b}).add(file)
			require.NoError(t, err)
		}
		require.Len(t, mountsBelow(t, dir), 3)
	}
	node.end()
	require.NoDirExists(t, dir)
	killed()
	node = run(t, cluster.node("node-1", 1))
	require.NoError(t, node.await(t.Context()))
	require.Empty(t, mountsBelow(t, dir))
	killed()
	require.NoError(t, cluster.engine.RemoveContainers(t.Context(), cluster.id))
	require.Empty(t, mountsBelow(t, dir))
	require.NoDirExists(t, dir)
	text, err := os.ReadFile(filepath.Join(shared, "file"))
	require.NoError(t, err)
	require.Equal(t, "kept", string(text))
}

// Without private mounts a part is mounted only where nobody can replace it; engines that open it themselves are left to.
func TestPartsWithoutPrivateMounts(t *testing.T) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	pod := emptyDirs(podNamed("web", image), map[string]*corev1.EmptyDirVolumeSource{"v": {}})
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = []corev1.VolumeMount{{Name: "v"}}
	c.Command = []string{"sh", "-c", "ln -s / /v/out; mkdir /v/dir; echo text > /v/dir/file"}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	node.binder.mu.Lock()
	node.binder.checked, node.binder.why = true, errors.New("this process may not mount")
	node.binder.mu.Unlock()
	require.Empty(t, node.output(pod, runtime.Mount{ContainerPath: "/v", Volume: "v"}))
	part := runtime.Mount{ContainerPath: "/p", Volume: "v", SubPath: "dir/file"}
	c.Command = []string{"cat", "/p"}
	id := node.start(pod, 1, part)
	node.ended(pod, id)
	require.Equal(t, "text\n", node.log(id))
	part.SubPath = "out/etc"
	_, err := node.tryStart(pod, 2, part)
	var refused *runtime.ConfigError
	if versions.LessThan(node.engine.client.ClientVersion(), subpathAPI) {
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, `"out" is a symbolic link, which may leave the volume`)
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "other", VolumeMounts: []corev1.VolumeMount{{Name: "v"}}})
		part.SubPath = "dir"
		_, err = node.tryStart(pod, 2, part)
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, `failed to prepare subPath for volumeMount "v" of container "main": container "other" writes to the volume`)
	}
	_, err = node.tryStart(pod, 2, runtime.Mount{ContainerPath: "/p", Volume: "h", HostPath: t.TempDir(), SubPath: "dir",
		Type: ptr.To(corev1.HostPathUnset)})
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "and this process may not mount; let the hostPath itself name what is to be mounted")
}

func TestWhoElseWritesToAVolume(t *testing.T) {
	mounts := func(readOnly bool) []corev1.VolumeMount { return []corev1.VolumeMount{{Name: "v", ReadOnly: readOnly}} }
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "init", VolumeMounts: mounts(false)}},
		Containers:     []corev1.Container{{Name: "a", VolumeMounts: mounts(false)}, {Name: "b", VolumeMounts: mounts(true)}},
	}}
	require.Empty(t, othersWrite(pod, "a", "v"), "init has ended, and b reads")
	require.Contains(t, othersWrite(pod, "b", "v"), `container "a" writes`)
	require.Contains(t, othersWrite(pod, "init", "v"), `container "a" writes`, "it may be there from before")
	require.Empty(t, othersWrite(pod, "b", "w"))
	pod.Spec.InitContainers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	require.Contains(t, othersWrite(pod, "a", "v"), `container "init" writes`)
	pod.Spec.InitContainers = nil
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
		Name: "debug", VolumeMounts: mounts(false)}}}
	require.Contains(t, othersWrite(pod, "a", "v"), `container "debug" writes`)
	pod.Spec.EphemeralContainers = nil
	pod.Spec.ShareProcessNamespace = ptr.To(true)
	require.Contains(t, othersWrite(pod, "a", "v"), "reach each other's files")
}

// https://docs.docker.com/reference/api/engine/version-history/#v145-api-changes
func TestAPartThatTheEngineOpens(t *testing.T) {
	got := volumeMount("engine-name", runtime.Mount{ContainerPath: "/p", Volume: "v", SubPath: "dir/file", ReadOnly: true})
	require.Equal(t, mount.Mount{Type: mount.TypeVolume, Source: "engine-name", Target: "/p", ReadOnly: true,
		VolumeOptions: &mount.VolumeOptions{NoCopy: true, Subpath: "dir/file"}}, got)
}
