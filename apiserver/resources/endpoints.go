package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func endpoints() *Resource {
	return &Resource{
		Kind:       corev1.SchemeGroupVersion.WithKind("Endpoints"),
		Plural:     "endpoints",
		ShortNames: []string{"ep"},
		New:        func() Object { return &corev1.Endpoints{} },
		NewList:    func() runtime.Object { return &corev1.EndpointsList{} },
	}
}
