package resources

import (
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func priorityClasses() *Resource {
	return &Resource{
		Kind:          schedulingv1.SchemeGroupVersion.WithKind("PriorityClass"),
		Plural:        "priorityclasses",
		ShortNames:    []string{"pc"},
		ClusterScoped: true,
		New:           func() Object { return &schedulingv1.PriorityClass{} },
		NewList:       func() runtime.Object { return &schedulingv1.PriorityClassList{} },
		Generation:    true,
	}
}
