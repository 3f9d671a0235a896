package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func configMaps() *Resource {
	return &Resource{
		Kind:       corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		Plural:     "configmaps",
		ShortNames: []string{"cm"},
		New:        func() Object { return &corev1.ConfigMap{} },
		NewList:    func() runtime.Object { return &corev1.ConfigMapList{} },
	}
}
