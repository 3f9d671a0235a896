package resources

import (
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/api"
)

func revisions() *Resource {
	return &Resource{
		Kind:          api.GroupVersion.WithKind("Revision"),
		Plural:        "revisions",
		ClusterScoped: true,
		Verbs:         []string{"get", "list", "watch"},
		New:           func() Object { return &api.Revision{} },
		NewList:       func() runtime.Object { return &api.RevisionList{} },
	}
}
