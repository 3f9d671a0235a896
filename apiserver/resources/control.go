package resources

import (
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/api"
)

func controls() *Resource {
	return &Resource{
		Kind:          api.GroupVersion.WithKind("Control"),
		Plural:        "controls",
		ClusterScoped: true,
		New:           func() Object { return &api.Control{} },
		NewList:       func() runtime.Object { return &api.ControlList{} },
		Generation:    true,
		Subresources:  []Subresource{{Name: "status", Verbs: readWrite}},
	}
}
