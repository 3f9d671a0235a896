package volumes

import (
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"minik.dev/kubelet/env"
)

// filesIn are a volume's files with their modes, as one line each.
func filesIn(t *testing.T, v corev1.VolumeSource) (map[string]string, error) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"b": "2", "a": `say "1"`}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}}}}}}
	_, files, err := Input{Pod: pod, References: shopReferences()}.files(&corev1.Volume{VolumeSource: v})
	out := map[string]string{}
	for _, f := range files {
		require.NotContains(t, out, f.path, "twice")
		out[f.path] = fs.FileMode(f.mode).String() + " " + string(f.data)
	}
	return out, err
}

// https://kubernetes.io/docs/concepts/storage/projected-volumes/, …/volumes/#configmap, …/volumes/#secret
func TestWhatVolumesAreMadeOf(t *testing.T) {
	shop := corev1.ConfigMapProjection{LocalObjectReference: named("shop")}
	none := corev1.SecretProjection{LocalObjectReference: named("none"), Optional: ptr.To(true)}
	for name, test := range map[string]struct {
		volume corev1.VolumeSource
		want   map[string]string
	}{
		"every key of a ConfigMap": {
			corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named("shop")}},
			map[string]string{"colour": "-rw-r--r-- green", "size": "-rw-r--r-- L"}},
		"items, with a mode of their own": {
			corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named("shop"),
				DefaultMode: ptr.To[int32](0o600), Items: []corev1.KeyToPath{{Key: "colour", Path: "paint/colour"},
					{Key: "size", Path: "size", Mode: ptr.To[int32](0o400)}}}},
			map[string]string{"paint/colour": "-rw------- green", "size": "-r-------- L"}},
		"an optional key that is missing": {
			corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "shop", Optional: ptr.To(true),
				Items: []corev1.KeyToPath{{Key: "none", Path: "none"}, {Key: "key", Path: "key"}}}},
			map[string]string{"key": "-rw-r--r-- abc"}},
		"an optional Secret that is missing": {
			corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "none", Optional: ptr.To(true)}},
			map[string]string{}},
		"the pod itself": {
			corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
				{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}},
				{Path: "name", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}, Mode: ptr.To[int32](0o444)},
				{Path: "memory", ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: "a",
					Resource: "requests.memory", Divisor: resource.MustParse("1Mi")}}}}},
			map[string]string{"labels": "-rw-r--r-- a=\"say \\\"1\\\"\"\nb=\"2\"\n", "name": "-r--r--r-- web", "memory": "-rw-r--r-- 64"}},
		"sources together, of which a later one wins": {
			corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ConfigMap: &shop}, {Secret: &none},
				{Secret: &corev1.SecretProjection{LocalObjectReference: named("shop"),
					Items: []corev1.KeyToPath{{Key: "key", Path: "colour"}}}}}}},
			map[string]string{"colour": "-rw-r--r-- abc", "size": "-rw-r--r-- L"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := filesIn(t, test.volume)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestVolumesThatCannotBeWritten(t *testing.T) {
	token := corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}}}}
	for says, v := range map[string]corev1.VolumeSource{
		"this cluster issues no service account tokens": token,
		"references non-existent secret key: none": {Secret: &corev1.SecretVolumeSource{SecretName: "shop",
			Items: []corev1.KeyToPath{{Key: "none", Path: "none"}}}},
		"container b not found": {DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
			{Path: "cpu", ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: "b", Resource: "limits.cpu"}}}}},
	} {
		_, err := filesIn(t, v)
		require.EqualError(t, err, says)
	}
	// Where no file is written, none is missing.
	pod := &corev1.Pod{Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "v", VolumeSource: token}}}}
	require.NoError(t, Check(Input{Pod: pod, References: shopReferences()}))
}

// writeInto is writeVolume for a directory, which is made.
func writeInto(dir string, files []file, group int64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return writeVolume(root, files, group)
}

// seen is what a container finds in the volume, through all links.
func seen(t require.TestingT, dir string) map[string]string {
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "..") {
			continue
		}
		root, err := filepath.EvalSymlinks(filepath.Join(dir, entry.Name()))
		require.NoError(t, err)
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			name := entry.Name()
			if rest, _ := filepath.Rel(root, path); rest != "." {
				name += "/" + rest
			}
			out[name] = string(data)
			return err
		}))
	}
	return out
}

// Whatever a volume held before, and wherever an earlier writer was killed, it shows the newest files and no others, and
// keeps nothing else.
func TestVolumeShowsTheNewestFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "volume")
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(dir)) }()
		names := []string{"a", "b", "c/d", "c/e", "f/g/h"}
		for range rapid.IntRange(1, 6).Draw(t, "writes") {
			want := map[string]string{}
			var files []file
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), func(s string) string { return s }).Draw(t, "names") {
				want[name] = rapid.StringMatching("[xyz]{0,2}").Draw(t, "data")
				files = append(files, file{path: name, mode: 0o400, data: []byte(want[name])})
			}
			require.NoError(t, writeInto(dir, files, -1))
			require.Equal(t, want, seen(t, dir))
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			hidden := slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), "..") })
			require.Len(t, hidden, 2, "the link and the directory it leads to")
			switch rapid.SampledFrom([]string{"", "unlinked", "unfinished", "stale"}).Draw(t, "killed") {
			case "unlinked":
				for name := range maps.Keys(want) {
					_ = os.Remove(filepath.Join(dir, strings.Split(name, "/")[0]))
				}
			case "unfinished":
				require.NoError(t, os.Symlink("..v0", filepath.Join(dir, nextLink)))
			case "stale":
				require.NoError(t, os.MkdirAll(filepath.Join(dir, "..v0"), 0o755))
			}
		}
	})
}

// While a volume changes, its files are always there, and lead to a directory of files.
func TestVolumeChangesAtOnce(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		require.NoError(t, writeInto(dir, []file{{path: "a", mode: 0o644, data: []byte(text)},
			{path: "b", mode: 0o644, data: []byte(text)}}, -1))
	}
	write("0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			write(string(rune('0' + i%10)))
		}
	}()
	for {
		_, err := os.Lstat(filepath.Join(dir, "a"))
		require.NoError(t, err)
		to, err := os.Readlink(filepath.Join(dir, dataLink))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(to, dataPrefix), to)
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestFilesThatNothingChangedStay(t *testing.T) {
	dir := t.TempDir()
	files := []file{{path: "a", mode: 0o640, data: []byte("1")}}
	require.NoError(t, writeInto(dir, files, -1))
	before, err := os.Readlink(filepath.Join(dir, dataLink))
	require.NoError(t, err)
	require.NoError(t, writeInto(dir, files, -1))
	after, err := os.Readlink(filepath.Join(dir, dataLink))
	require.NoError(t, err)
	require.Equal(t, before, after)
	info, err := os.Stat(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	require.ErrorContains(t, writeInto(dir, []file{{path: "../../a"}}, -1), "leaves its volume")
}

// https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types
func TestHostPathTypes(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Mkdir(at("dir"), 0o755))
	require.NoError(t, os.WriteFile(at("file"), nil, 0o644))
	listener, err := net.Listen("unix", at("socket"))
	require.NoError(t, err)
	defer listener.Close()
	require.NoError(t, os.Symlink("dir", at("link")))
	fits := map[corev1.HostPathType][]string{
		corev1.HostPathUnset:             {"dir", "file", "socket", "link", "/dev/null"},
		corev1.HostPathDirectory:         {"dir", "link"},
		corev1.HostPathDirectoryOrCreate: {"dir", "link"},
		corev1.HostPathFile:              {"file"},
		corev1.HostPathFileOrCreate:      {"file"},
		corev1.HostPathSocket:            {"socket"},
		corev1.HostPathCharDev:           {"/dev/null"},
		corev1.HostPathBlockDev:          {},
	}
	kinds := map[corev1.HostPathType]string{corev1.HostPathDirectory: "a directory", corev1.HostPathFile: "a file",
		corev1.HostPathDirectoryOrCreate: "a directory", corev1.HostPathFileOrCreate: "a file",
		corev1.HostPathSocket: "a socket file", corev1.HostPathCharDev: "a character device", corev1.HostPathBlockDev: "a block device"}
	for kind, good := range fits {
		for _, name := range []string{"dir", "file", "socket", "link", "/dev/null"} {
			path := at(name)
			if filepath.IsAbs(name) {
				path = name
			}
			err := checkHostPath(&corev1.HostPathVolumeSource{Path: path, Type: &kind})
			if slices.Contains(good, name) {
				require.NoError(t, err, "%s as %q", name, kind)
				continue
			}
			require.EqualError(t, err, "hostPath type check failed: "+path+" is not "+kinds[kind])
		}
	}
	made := map[corev1.HostPathType]string{corev1.HostPathUnset: "directory", corev1.HostPathDirectoryOrCreate: "directory",
		corev1.HostPathFileOrCreate: "file"}
	for kind := range fits {
		path := at("new" + string(kind))
		err := checkHostPath(&corev1.HostPathVolumeSource{Path: path, Type: &kind})
		info, statErr := os.Stat(path)
		if made[kind] == "" {
			require.EqualError(t, err, "hostPath type check failed: "+path+" is not "+kinds[kind])
			require.ErrorIs(t, statErr, fs.ErrNotExist)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, statErr)
		require.Equal(t, made[kind] == "directory", info.IsDir(), "%q", kind)
	}
}

func TestVolumesThatCannotBeMounted(t *testing.T) {
	for says, source := range map[string]corev1.VolumeSource{
		"":                           {ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named("shop")}},
		`configmap "none" not found`: {ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named("none")}},
		`secret "none" not found`:    {Secret: &corev1.SecretVolumeSource{SecretName: "none"}},
		"configmap references non-existent config key: none": {ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: named("shop"), Items: []corev1.KeyToPath{{Key: "none"}}}},
		"this node mounts no volumes but configMap, secret, projected, downwardAPI, emptyDir, hostPath and image": {
			NFS: &corev1.NFSVolumeSource{}},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "v", VolumeSource: source}}}}
		err := Check(Input{Pod: pod, References: shopReferences()})
		if says == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, `MountVolume.SetUp failed for volume "v" : `+says)
	}
}

func named(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

// shopReferences has the ConfigMap and the Secret "shop" and nothing else.
func shopReferences() env.References {
	gone := func(resource, name string) error {
		return apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name)
	}
	return env.References{
		ConfigMap: func(name string) (*corev1.ConfigMap, error) {
			if name != "shop" {
				return nil, gone("configmap", name)
			}
			return &corev1.ConfigMap{Data: map[string]string{"colour": "green", "size": "L"}}, nil
		},
		Secret: func(name string) (*corev1.Secret, error) {
			if name != "shop" {
				return nil, gone("secret", name)
			}
			return &corev1.Secret{Data: map[string][]byte{"key": []byte("abc")}}, nil
		},
	}
}
