package loop

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Claims is how an owner stands to the objects around it. Ownership is two things that must agree: the owner's selector
// and the object's controller reference.
type Claims[T metav1.Object] struct {
	// Kept have the owner as their controller and match its selector.
	Kept []T
	// Adopt match the selector and have no controller: they become the owner's.
	Adopt []T
	// Release have the owner as their controller and match its selector no longer: they are let go, and live on.
	Release []T
}

// PlanClaims sorts the objects. An owner that is being deleted claims nothing new and lets nothing go; an object that is
// being deleted is not adopted.
func PlanClaims[T metav1.Object](owner metav1.Object, selector labels.Selector, objects []T) Claims[T] {
	var c Claims[T]
	dying := owner.GetDeletionTimestamp() != nil
	for _, obj := range objects {
		matches := selector.Matches(labels.Set(obj.GetLabels()))
		controller := metav1.GetControllerOfNoCopy(obj)
		switch {
		case controller != nil && controller.UID != owner.GetUID():
		case controller != nil && matches:
			c.Kept = append(c.Kept, obj)
		case controller != nil && !dying:
			c.Release = append(c.Release, obj)
		case controller == nil && matches && !dying && obj.GetDeletionTimestamp() == nil:
			c.Adopt = append(c.Adopt, obj)
		}
	}
	return c
}

// AdoptionPatch adds the owner as the object's controller. The object's UID is named, so that another object of the same
// name is not meant.
func AdoptionPatch(owner metav1.Object, kind schema.GroupVersionKind, uid types.UID) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":             uid,
		"ownerReferences": []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)},
	}})
}

// ReleasePatch takes the owner's reference away.
func ReleasePatch(owner, uid types.UID) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":             uid,
		"ownerReferences": []any{map[string]any{"$patch": "delete", "uid": owner}},
	}})
}

// MayAdopt asks the API server, and not the cache, whether the owner is still there and wanted: an owner that is being
// deleted must not adopt what its deletion has just orphaned.
func MayAdopt(ctx context.Context, cached metav1.Object, live func(context.Context) (metav1.Object, error)) error {
	owner, err := live(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("asking whether %s may adopt: %w", KeyOf(cached), err)
	case owner.GetUID() != cached.GetUID():
		return fmt.Errorf("%s may not adopt: the cache has UID %s, the API server %s",
			KeyOf(cached), cached.GetUID(), owner.GetUID())
	case owner.GetDeletionTimestamp() != nil:
		return fmt.Errorf("%s may not adopt: it is being deleted since %s", KeyOf(cached), owner.GetDeletionTimestamp())
	}
	return nil
}
