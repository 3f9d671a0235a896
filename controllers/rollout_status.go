package controllers

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/controllers/loop"
)

// RolloutStatus is how far an object is on the way to what its spec asks for.
type RolloutStatus = loop.RolloutStatus

// RolloutStatusOf is how one knows how far an object of the resource is; nil where nobody waits for such objects.
func RolloutStatusOf(resource schema.GroupResource) func(runtime.Object) RolloutStatus {
	i := slices.IndexFunc(rows, func(r loop.Row) bool { return r.About == resource && r.RolloutStatus != nil })
	if i < 0 {
		return nil
	}
	return rows[i].RolloutStatus
}
