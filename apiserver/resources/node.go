package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func nodes() *Resource {
	return &Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("Node"),
		Plural:        "nodes",
		ShortNames:    []string{"no"},
		ClusterScoped: true,
		New:           func() Object { return &corev1.Node{} },
		NewList:       func() runtime.Object { return &corev1.NodeList{} },
		Subresources:  []Subresource{{Name: "status", Verbs: readWrite}},
	}
}
