//go:build unix

package kubelet_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// planted are links from the names that a kubelet writes for the pod "web" to files and directories outside of its directory,
// as somebody has put them there who can write to it.
func planted(t *testing.T, dir string, names ...string) (outside string) {
	outside = t.TempDir()
	home := filepath.Join(dir, "pods/uid-web")
	for _, name := range names {
		to := filepath.Join(outside, strings.ReplaceAll(name, "/", "-"))
		if name == "etc-hosts" || name == "resolv.conf" || strings.HasPrefix(name, "containers/a/") {
			require.NoError(t, os.WriteFile(to, []byte("outside"), 0o600))
		} else {
			require.NoError(t, os.Mkdir(to, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(to, "colour"), []byte("outside"), 0o600))
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o755))
		require.NoError(t, os.Symlink(to, filepath.Join(home, name)))
	}
	return outside
}

// untouched checks that there is nothing outside but what was planted, as it was.
func untouched(t *testing.T, outside string) {
	require.NoError(t, filepath.WalkDir(outside, func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		if entry.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "outside", string(text), path)
		require.Equal(t, os.FileMode(0o600), info.Mode(), path)
		return nil
	}))
	for _, pattern := range []string{"*/..*", "*/size"} {
		found, err := filepath.Glob(filepath.Join(outside, pattern))
		require.NoError(t, err)
		require.Empty(t, found)
	}
}

// The kubelet writes as root: a link where it writes a file is replaced, and what it leads to stays as it is.
func TestNoWriteFollowsALink(t *testing.T) {
	m := newMachine(shopPod())
	r, dir := withFiles(t, m)
	outside := planted(t, dir, "etc-hosts", "resolv.conf", "containers/a/0", "containers/a/-2", "volumes/settings/..data",
		"volumes/settings/..data_tmp", "volumes/settings/..v1", "volumes/settings/..v7", "volumes/settings/size", "volumes/settings/gone")
	m.add(t, &corev1.ConfigMap{ObjectMeta: meta("shop"), Data: map[string]string{"colour": "green", "size": "L"}})
	m.start(t)
	pod := m.until(t, "web", ready)
	untouched(t, outside)
	home := filepath.Join(dir, "pods/uid-web")
	reads(t, "green", home, "volumes/settings/colour")
	for _, m := range r.starts(pod.UID)[0].Mounts[4:] {
		info, err := os.Lstat(m.HostPath)
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular(), m.HostPath)
	}
	require.NoError(t, m.client.CoreV1().Pods("default").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool { _, err := os.Lstat(home); return os.IsNotExist(err) }, patience, often)
	untouched(t, outside)
}

// Where a directory is a link that leads out of the pod's own, nothing is written at all, and the pod waits and says so.
func TestNoWriteGoesThroughALink(t *testing.T) {
	for _, name := range []string{"volumes", "volumes/settings", "containers", "containers/a"} {
		m := newMachine(shopPod())
		_, dir := withFiles(t, m)
		outside := planted(t, dir, name)
		m.add(t, &corev1.ConfigMap{ObjectMeta: meta("shop"), Data: map[string]string{"colour": "green", "size": "L"}})
		stop := m.start(t)
		require.Eventually(t, func() bool { return strings.Contains(strings.Join(m.events(t), "\n"), "path escapes from parent") },
			patience, often, name)
		untouched(t, outside)
		stop()
	}
}

// What a container leaves in the place of its termination log says nothing, and holds nobody up: it is no way to read this
// machine's files.
func TestTheTerminationLogIsAFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("the machine's"), 0o600))
	for name, put := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink(secret, path) },
		"link-near": func(path string) error { return os.Symlink("../../etc-hosts", path) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"long":      func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 1<<20)), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(bound("web", func(pod *corev1.Pod) {
				pod.Spec.RestartPolicy = corev1.RestartPolicyNever
				pod.Annotations = map[string]string{"sim.minik.dev/run-for": "10ms", "sim.minik.dev/exit-code": "0"}
			}))
			r, _ := withFiles(t, m)
			r.put = func(path string) error {
				if err := os.Remove(path); err != nil {
					return err
				}
				return put(path)
			}
			m.start(t)
			pod := m.until(t, "web", func(pod *corev1.Pod) bool {
				return len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].State.Terminated != nil
			})
			message := pod.Status.ContainerStatuses[0].State.Terminated.Message
			if name == "long" {
				require.Equal(t, strings.Repeat("x", 4096), message)
				return
			}
			require.Empty(t, message)
		})
	}
}

// A container can make its /etc/hosts as long as it likes: to see whether it is as it should be, no more is read than that.
func TestLongHosts(t *testing.T) {
	m := newMachine(bound("web", nil))
	_, dir := withFiles(t, m)
	hosts := filepath.Join(dir, "pods/uid-web/etc-hosts")
	require.NoError(t, os.MkdirAll(filepath.Dir(hosts), 0o755))
	require.NoError(t, os.WriteFile(hosts, nil, 0o644))
	require.NoError(t, os.Truncate(hosts, 1<<36)) // it has holes, so no disk is used
	m.start(t)
	pod := m.until(t, "web", ready)
	require.Equal(t, types.UID("uid-web"), pod.UID)
	text, err := os.ReadFile(hosts)
	require.NoError(t, err)
	require.Contains(t, string(text), pod.Status.PodIP+"\tweb\n")
}
