package seccomp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/runtime"
)

func local(name string) *corev1.SeccompProfile {
	return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: &name}
}

// A pod names a profile of its node by a path below the node's own directory, and reads nothing else of the machine by it.
func TestSeccompProfilesOfTheNode(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, Dir)
	require.NoError(t, os.MkdirAll(filepath.Join(at, "team"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.json"), []byte(`"secret"`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(at, "team/strict.json"), []byte("{}"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(at, "broken.json"), []byte("{"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(at, "huge.json"), []byte(strings.Repeat(" ", largest+1)), 0o644))
	require.NoError(t, os.Symlink("team/strict.json", filepath.Join(at, "link.json")))
	require.NoError(t, os.Symlink("../key.json", filepath.Join(at, "out.json")))
	load := func(profile *corev1.SeccompProfile, privileged bool) (string, error) {
		return Local(dir, &corev1.Pod{}, &corev1.Container{SecurityContext: &corev1.SecurityContext{
			SeccompProfile: profile, Privileged: &privileged}})
	}
	for _, name := range []string{"team/strict.json", "link.json"} {
		text, err := load(local(name), false)
		require.NoError(t, err)
		require.Equal(t, "{}", text)
	}
	for name, says := range map[string]string{
		"none.json":   "no such file or directory",
		"out.json":    "path escapes from parent",
		"broken.json": "it is not JSON",
		"huge.json":   "it has more than 1048576 bytes",
		"team":        "it is not a file",
	} {
		_, err := load(local(name), false)
		require.ErrorContains(t, err, `cannot load seccomp profile "`+filepath.Join(at, name)+`": `)
		require.ErrorContains(t, err, says)
		require.NotErrorAs(t, err, new(*runtime.ConfigError))
	}
	for _, name := range []string{"../key.json", "/etc/passwd", "team/../../key.json"} {
		_, err := load(local(name), false)
		require.ErrorContains(t, err, "must be a path below the node's directory")
		require.ErrorAs(t, err, new(*runtime.ConfigError))
	}
	_, err := load(&corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost}, false)
	require.EqualError(t, err, "localhostProfile must be set if seccompProfile type is Localhost")
	text, err := load(local("none.json"), true)
	require.NoError(t, err, "no profile holds for a privileged container")
	require.Empty(t, text)
	require.NoError(t, os.RemoveAll(at))
	_, err = load(local("a.json"), false)
	require.ErrorContains(t, err, "no such file or directory", "nobody has put profiles on the node")
}

// https://kubernetes.io/docs/tasks/configure-pod-container/security-context/: the container's word counts more.
func TestWhoseSeccompProfileHolds(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{SeccompProfile: local("pod")}}}
	plain := &corev1.Container{SecurityContext: &corev1.SecurityContext{Privileged: ptr.To(false)}}
	own := &corev1.Container{SecurityContext: &corev1.SecurityContext{SeccompProfile: local("container")}}
	require.Nil(t, ProfileOf(&corev1.Pod{}, &corev1.Container{}))
	require.Equal(t, local("pod"), ProfileOf(pod, &corev1.Container{}))
	require.Equal(t, local("pod"), ProfileOf(pod, plain))
	require.Equal(t, local("container"), ProfileOf(pod, own))
}
