package loop

import (
	"encoding/json"

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

// adoptionPatch adds the owner as the object's controller. The object's UID is named, so that another object of the same
// name is not meant.
func adoptionPatch(owner metav1.Object, kind schema.GroupVersionKind, uid types.UID) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":             uid,
		"ownerReferences": []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)},
	}})
}

// releasePatch takes the owner's reference away.
func releasePatch(owner, uid types.UID) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":             uid,
		"ownerReferences": []any{map[string]any{"$patch": "delete", "uid": owner}},
	}})
}
