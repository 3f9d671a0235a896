package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func replicationControllers() *Resource {
	return &Resource{
		Kind:         corev1.SchemeGroupVersion.WithKind("ReplicationController"),
		Plural:       "replicationcontrollers",
		ShortNames:   []string{"rc"},
		Categories:   []string{"all"},
		New:          func() Object { return &corev1.ReplicationController{} },
		NewList:      func() runtime.Object { return &corev1.ReplicationControllerList{} },
		Generation:   true,
		Subresources: []Subresource{{Name: "scale", Verbs: readWrite}, {Name: "status", Verbs: readWrite}},
	}
}
