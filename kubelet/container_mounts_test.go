package kubelet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/volumes"
)

// A pod's directory with the written volume "settings", which holds a link out of itself, and a hostPath "host" beside it.
func mountsIn(t *testing.T, mounts ...corev1.VolumeMount) (dir string, out []runtime.Mount, err error) {
	dir = t.TempDir()
	host := t.TempDir()
	pod := &corev1.Pod{Spec: corev1.PodSpec{Volumes: []corev1.Volume{
		{Name: "settings", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}},
		{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: host}}},
	}}}
	home, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer home.Close()
	require.NoError(t, volumes.Write(volumes.Input{Pod: pod, References: env.References{
		ConfigMap: func(string) (*corev1.ConfigMap, error) {
			return &corev1.ConfigMap{Data: map[string]string{"colour": ""}}, nil
		}}}, home))
	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, volumes.Dir, "settings/out")))
	c := &corev1.Container{Name: "a", VolumeMounts: mounts}
	out, err = mountsOf(pod, c, dir, 3, []runtime.EnvVar{{Name: "NAME", Value: "web"}, {Name: "UP", Value: "../up"}})
	for i := range out {
		out[i].HostPath = strings.Replace(strings.Replace(out[i].HostPath, dir, "POD", 1), host, "HOST", 1)
	}
	return host, out, err
}

func TestMounts(t *testing.T) {
	both := corev1.MountPropagationBidirectional
	any := ptr.To(corev1.HostPathUnset)
	_, got, err := mountsIn(t,
		corev1.VolumeMount{Name: "settings", MountPath: "/etc/shop/"},
		corev1.VolumeMount{Name: "scratch", MountPath: "/tmp", SubPathExpr: "$(NAME)/x"},
		corev1.VolumeMount{Name: "host", MountPath: "/host", SubPath: "inner", ReadOnly: true, MountPropagation: &both},
		corev1.VolumeMount{Name: "host", MountPath: "/made", SubPath: "new/deep"},
		corev1.VolumeMount{Name: "host", MountPath: "/etc/hosts"})
	require.NoError(t, err)
	require.Equal(t, []runtime.Mount{
		{ContainerPath: "/etc/shop", HostPath: "POD/volumes/settings", ReadOnly: true},
		{ContainerPath: "/tmp", Volume: "scratch", SubPath: "web/x"},
		{ContainerPath: "/host", HostPath: "HOST", Volume: "host", SubPath: "inner", Type: any, ReadOnly: true, Propagation: both},
		{ContainerPath: "/made", HostPath: "HOST", Volume: "host", SubPath: "new/deep", Type: any},
		{ContainerPath: "/etc/hosts", HostPath: "HOST", Volume: "host", Type: any}, // the container's own is not hidden
		{ContainerPath: "/etc/resolv.conf", HostPath: "POD/resolv.conf"},
		{ContainerPath: "/dev/termination-log", HostPath: "POD/containers/a/3"},
	}, got)
	// What is in a hostPath is for the runtime to resolve, which is what mounts it; others may write there meanwhile.
}

// A file of a written volume that is mounted by itself is the file of now: later ones are in another directory.
func TestSubPathOfAFile(t *testing.T) {
	_, got, err := mountsIn(t, corev1.VolumeMount{Name: "settings", MountPath: "/colour", SubPath: "colour"})
	require.NoError(t, err)
	require.Regexp(t, `^POD/volumes/settings/\.\.v\d+/colour$`, got[0].HostPath)
}

// https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath
func TestMountsThatAreRefused(t *testing.T) {
	for says, m := range map[string]corev1.VolumeMount{
		`cannot find volume "none" to mount into container "a"`:                 {Name: "none"},
		"unable to provision SubPath `a/../../b`: must not contain '..'":        {Name: "host", SubPath: "a/../../b"},
		"unable to provision SubPath `../up`: must not contain '..'":            {Name: "scratch", SubPathExpr: "$(UP)"},
		"error SubPath `/etc` must not be an absolute path":                     {Name: "host", SubPath: "/etc"},
		`missing value for "NONE"`:                                              {Name: "host", SubPathExpr: "a/$(NONE)"},
		`failed to prepare subPath for volumeMount "settings" of container "a"`: {Name: "settings", SubPath: "out"},
		`subPath for volumeMount "settings" of container "a": `:                 {Name: "settings", SubPath: "out/new"},
	} {
		_, _, err := mountsIn(t, m)
		require.ErrorContains(t, err, says)
		require.Equal(t, "CreateContainerConfigError", startReason(err))
	}
	require.NoDirExists(t, "/etc/new")
	_, got, err := mountsIn(t, corev1.VolumeMount{Name: "scratch", SubPathExpr: "$$(NONE)", MountPath: "/x"})
	require.NoError(t, err)
	require.Equal(t, "$(NONE)", got[0].SubPath)
}

// However a log comes, its last 2048 bytes are kept.
func TestNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got newest
		var all []byte
		for range rapid.IntRange(0, 5).Draw(t, "writes") {
			part := []byte(strings.Repeat(rapid.StringMatching("[a-z]{1,3}").Draw(t, "part"), rapid.IntRange(0, 1500).Draw(t, "times")))
			n, err := got.Write(part)
			require.NoError(t, err)
			require.Equal(t, len(part), n)
			all = append(all, part...)
		}
		require.Equal(t, string(all[max(0, len(all)-fallbackBytes):]), string(got))
	})
}
