package resources

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func deployments() *Resource {
	return &Resource{
		Kind:         appsv1.SchemeGroupVersion.WithKind("Deployment"),
		Plural:       "deployments",
		ShortNames:   []string{"deploy"},
		Categories:   []string{"all"},
		New:          func() Object { return &appsv1.Deployment{} },
		NewList:      func() runtime.Object { return &appsv1.DeploymentList{} },
		Generation:   true,
		Subresources: []Subresource{{Name: "scale", Verbs: readWrite}, {Name: "status", Verbs: readWrite}},
	}
}
