package volumes

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/env"
)

// configMap is a volume of the keys of a ConfigMap. https://kubernetes.io/docs/concepts/storage/volumes/#configmap
var configMap = row{
	name:    "configMap",
	has:     func(v *corev1.VolumeSource) bool { return v.ConfigMap != nil },
	sources: func(v *corev1.VolumeSource) []source { return []source{{resource: configMaps, name: v.ConfigMap.Name}} },
	files: func(in Input, v *corev1.VolumeSource) ([]file, error) {
		return in.configMap(v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.Optional, modeOr(v.ConfigMap.DefaultMode))
	},
}

var projectedConfigMap = projection{
	name: "configMap",
	has:  func(p *corev1.VolumeProjection) bool { return p.ConfigMap != nil },
	sources: func(p *corev1.VolumeProjection) []source {
		return []source{{resource: configMaps, name: p.ConfigMap.Name}}
	},
	files: func(in Input, p *corev1.VolumeProjection, mode int32) ([]file, error) {
		return in.configMap(p.ConfigMap.Name, p.ConfigMap.Items, p.ConfigMap.Optional, mode)
	},
}

const configMaps = "configmaps"

var watchedConfigMap = object{
	kind: &corev1.ConfigMap{},
	list: func(ctx context.Context, client kubernetes.Interface, namespace string, o metav1.ListOptions) (k8sruntime.Object, error) {
		return client.CoreV1().ConfigMaps(namespace).List(ctx, o)
	},
	watch: func(ctx context.Context, client kubernetes.Interface, namespace string, o metav1.ListOptions) (watch.Interface, error) {
		return client.CoreV1().ConfigMaps(namespace).Watch(ctx, o)
	},
	immutable: func(obj any) bool { m, ok := obj.(*corev1.ConfigMap); return ok && ptr.Deref(m.Immutable, false) },
}

func (in Input) configMap(name string, items []corev1.KeyToPath, may *bool, mode int32) ([]file, error) {
	m, err := in.References.ConfigMap(name)
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

// filesOf is one file for each key, or for each item where there are any.
func filesOf(data map[string][]byte, items []corev1.KeyToPath, may bool, mode int32, absent string) ([]file, error) {
	var out []file
	if len(items) == 0 {
		for _, key := range slices.Sorted(maps.Keys(data)) {
			out = append(out, file{path: key, mode: mode, data: data[key]})
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
		f := file{path: item.Path, mode: mode, data: value}
		if item.Mode != nil {
			f.mode = *item.Mode
		}
		out = append(out, f)
	}
	return out, nil
}

// defaultFileMode is upstream's for files whose volume names none.
const defaultFileMode = 0o644

func modeOr(mode *int32) int32 { return ptr.Deref(mode, defaultFileMode) }
