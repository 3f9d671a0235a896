package resources

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func replicaSets() *Resource {
	return &Resource{
		Kind:         appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		Plural:       "replicasets",
		ShortNames:   []string{"rs"},
		Categories:   []string{"all"},
		New:          func() Object { return &appsv1.ReplicaSet{} },
		NewList:      func() runtime.Object { return &appsv1.ReplicaSetList{} },
		Generation:   true,
		Subresources: []Subresource{{Name: "scale", Verbs: readWrite}, {Name: "status", Verbs: readWrite}},
	}
}
