package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func namespaces() *Resource {
	return &Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("Namespace"),
		Plural:        "namespaces",
		ShortNames:    []string{"ns"},
		ClusterScoped: true,
		Verbs:         withoutDeleteCollection,
		New:           func() Object { return &corev1.Namespace{} },
		NewList:       func() runtime.Object { return &corev1.NamespaceList{} },
		Subresources:  []Subresource{{Name: "finalize", Verbs: []string{"update"}}, {Name: "status", Verbs: readWrite}},
	}
}
