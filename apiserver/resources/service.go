package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func services() *Resource {
	return &Resource{
		Kind:         corev1.SchemeGroupVersion.WithKind("Service"),
		Plural:       "services",
		ShortNames:   []string{"svc"},
		Categories:   []string{"all"},
		New:          func() Object { return &corev1.Service{} },
		NewList:      func() runtime.Object { return &corev1.ServiceList{} },
		Subresources: []Subresource{{Name: "status", Verbs: readWrite}},
	}
}
