package resources

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func pods() *Resource {
	return &Resource{
		Kind:       corev1.SchemeGroupVersion.WithKind("Pod"),
		Plural:     "pods",
		ShortNames: []string{"po"},
		Categories: []string{"all"},
		New:        func() Object { return &corev1.Pod{} },
		NewList:    func() runtime.Object { return &corev1.PodList{} },
		Generation: true,
		Subresources: []Subresource{
			{Name: "binding", Kind: corev1.SchemeGroupVersion.WithKind("Binding"), Verbs: []string{"create"}, New: func() runtime.Object { return &corev1.Binding{} }},
			{Name: "eviction", Kind: PolicyEviction, Verbs: []string{"create"}, New: func() runtime.Object { return &policyv1.Eviction{} }},
			{Name: "log", Verbs: []string{"get"}},
			{Name: "status", Verbs: readWrite}},
	}
}
