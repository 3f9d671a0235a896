package kubelet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/runtime"
)

// volumeFile is one file of a volume that the kubelet writes: the path within the volume, and what is in it.
type volumeFile struct {
	path string
	mode int32
	data []byte
}

// contents are what the files of a pod's volumes are made of.
type contents struct {
	pod         *corev1.Pod
	refs        env.References
	allocatable corev1.ResourceList
	// checked says that no file will be written, so that a token is none too few.
	checked bool
}

// defaultFileMode is upstream's for files whose volume names none.
const defaultFileMode = 0o644

// checkVolumes says why the pod's volumes cannot be mounted, in the words of upstream's FailedMount event, or nil.
func checkVolumes(pod *corev1.Pod, refs env.References) error {
	in := contents{pod: pod, refs: refs, checked: true}
	for _, volume := range pod.Spec.Volumes {
		if _, err := in.files(volume.VolumeSource); err != nil {
			return mountError(volume.Name, err)
		}
	}
	return nil
}

func mountError(volume string, err error) error {
	return fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", volume, err)
}

// isWritten says that the kubelet writes the volume's files itself.
func isWritten(v corev1.VolumeSource) bool {
	return v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil
}

// files are those of a volume that the kubelet writes; a volume of another kind has none, or is an error where no node
// mounts it.
func (in contents) files(v corev1.VolumeSource) ([]volumeFile, error) {
	switch {
	case v.ConfigMap != nil:
		return in.configMap(v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.Optional, modeOr(v.ConfigMap.DefaultMode))
	case v.Secret != nil:
		return in.secret(v.Secret.SecretName, v.Secret.Items, v.Secret.Optional, modeOr(v.Secret.DefaultMode))
	case v.DownwardAPI != nil:
		return in.downward(v.DownwardAPI.Items, modeOr(v.DownwardAPI.DefaultMode))
	case v.Projected != nil:
		return in.projected(v.Projected)
	case v.EmptyDir != nil, v.HostPath != nil, v == corev1.VolumeSource{}:
		return nil, nil
	}
	return nil, fmt.Errorf("this node mounts no volumes but configMap, secret, projected, downwardAPI, emptyDir and hostPath")
}

// projected are the files of all sources; a later one replaces an earlier one of the same path.
func (in contents) projected(v *corev1.ProjectedVolumeSource) ([]volumeFile, error) {
	var out []volumeFile
	mode := modeOr(v.DefaultMode)
	for _, source := range v.Sources {
		var files []volumeFile
		var err error
		switch {
		case source.ConfigMap != nil:
			files, err = in.configMap(source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional, mode)
		case source.Secret != nil:
			files, err = in.secret(source.Secret.Name, source.Secret.Items, source.Secret.Optional, mode)
		case source.DownwardAPI != nil:
			files, err = in.downward(source.DownwardAPI.Items, mode)
		case source.ServiceAccountToken != nil && in.checked:
		case source.ServiceAccountToken != nil:
			err = fmt.Errorf("this cluster issues no service account tokens")
		default:
			err = fmt.Errorf("this node mounts no projected source but configMap, secret and downwardAPI")
		}
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			out = append(slices.DeleteFunc(out, func(o volumeFile) bool { return o.path == f.path }), f)
		}
	}
	return out, nil
}

func (in contents) configMap(name string, items []corev1.KeyToPath, may *bool, mode int32) ([]volumeFile, error) {
	m, err := in.refs.ConfigMap(name)
	if err != nil {
		return nil, env.Missing(err, may)
	}
	data := maps.Clone(m.BinaryData)
	if data == nil {
		data = map[string][]byte{}
	}
	for key, text := range m.Data {
		data[key] = []byte(text)
	}
	return filesOf(data, items, ptr.Deref(may, false), mode, "configmap references non-existent config key: %s")
}

func (in contents) secret(name string, items []corev1.KeyToPath, may *bool, mode int32) ([]volumeFile, error) {
	s, err := in.refs.Secret(name)
	if err != nil {
		return nil, env.Missing(err, may)
	}
	return filesOf(s.Data, items, ptr.Deref(may, false), mode, "references non-existent secret key: %s")
}

// filesOf is one file for each key, or for each item where there are any.
func filesOf(data map[string][]byte, items []corev1.KeyToPath, may bool, mode int32, absent string) ([]volumeFile, error) {
	var out []volumeFile
	if len(items) == 0 {
		for _, key := range slices.Sorted(maps.Keys(data)) {
			out = append(out, volumeFile{path: key, mode: mode, data: data[key]})
		}
		return out, nil
	}
	for _, item := range items {
		value, ok := data[item.Key]
		switch {
		case !ok && may:
			continue
		case !ok:
			return nil, fmt.Errorf(absent, item.Key)
		}
		f := volumeFile{path: item.Path, mode: mode, data: value}
		if item.Mode != nil {
			f.mode = *item.Mode
		}
		out = append(out, f)
	}
	return out, nil
}

// downward are the files that tell of the pod itself.
func (in contents) downward(items []corev1.DownwardAPIVolumeFile, mode int32) ([]volumeFile, error) {
	var out []volumeFile
	for _, item := range items {
		var text string
		var err error
		switch {
		case item.FieldRef != nil && item.FieldRef.FieldPath == "metadata.labels":
			text = formatMap(in.pod.Labels)
		case item.FieldRef != nil && item.FieldRef.FieldPath == "metadata.annotations":
			text = formatMap(in.pod.Annotations)
		case item.FieldRef != nil:
			text, err = env.Field(in.pod, item.FieldRef.FieldPath, nil, nil)
		case item.ResourceFieldRef != nil:
			text, err = env.ResourceField(in.pod, runtime.ContainerOf(in.pod, item.ResourceFieldRef.ContainerName), item.ResourceFieldRef,
				in.allocatable)
		}
		if err != nil {
			return nil, err
		}
		f := volumeFile{path: item.Path, mode: mode, data: []byte(text)}
		if item.Mode != nil {
			f.mode = *item.Mode
		}
		out = append(out, f)
	}
	return out, nil
}

func modeOr(mode *int32) int32 {
	if mode == nil {
		return defaultFileMode
	}
	return *mode
}

// formatMap is one line for each key, as upstream writes labels and annotations to files.
func formatMap(m map[string]string) string {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&out, "%s=%q\n", key, m[key])
	}
	return out.String()
}
