package volumes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/runtime"
)

// downwardAPI is a volume of what the pod says of itself.
// https://kubernetes.io/docs/concepts/storage/volumes/#downwardapi
var downwardAPI = row{
	name: "downwardAPI",
	has:  func(v *corev1.VolumeSource) bool { return v.DownwardAPI != nil },
	files: func(in Input, v *corev1.VolumeSource) ([]file, error) {
		return in.downward(v.DownwardAPI.Items, modeOr(v.DownwardAPI.DefaultMode))
	},
}

var projectedDownwardAPI = projection{
	name: "downwardAPI",
	has:  func(p *corev1.VolumeProjection) bool { return p.DownwardAPI != nil },
	files: func(in Input, p *corev1.VolumeProjection, mode int32) ([]file, error) {
		return in.downward(p.DownwardAPI.Items, mode)
	},
}

// downward are the files that tell of the pod itself.
func (in Input) downward(items []corev1.DownwardAPIVolumeFile, mode int32) ([]file, error) {
	var out []file
	for _, item := range items {
		var text string
		var err error
		switch {
		case item.FieldRef != nil && item.FieldRef.FieldPath == "metadata.labels":
			text = formatMap(in.Pod.Labels)
		case item.FieldRef != nil && item.FieldRef.FieldPath == "metadata.annotations":
			text = formatMap(in.Pod.Annotations)
		case item.FieldRef != nil:
			text, err = env.Field(in.Pod, item.FieldRef.FieldPath, nil, nil)
		case item.ResourceFieldRef != nil:
			text, err = env.ResourceField(in.Pod, runtime.ContainerOf(in.Pod, item.ResourceFieldRef.ContainerName), item.ResourceFieldRef,
				in.Allocatable)
		}
		if err != nil {
			return nil, err
		}
		f := file{path: item.Path, mode: mode, data: []byte(text)}
		if item.Mode != nil {
			f.mode = *item.Mode
		}
		out = append(out, f)
	}
	return out, nil
}

// formatMap is one line for each key, as upstream writes labels and annotations to files.
func formatMap(m map[string]string) string {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&out, "%s=%q\n", key, m[key])
	}
	return out.String()
}
