package resources

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What a write asks of a row, in the order in which it asks. Admission comes between these steps, and they know nothing of it: so
// that whoever has a row can say what becomes of an object, without a server.

// PrepareForCreate makes of a decoded object what is checked and stored.
func (r *Resource) PrepareForCreate(obj Object, w Write) {
	if r.ClusterScoped {
		obj.SetNamespace("") // whatever was written there
	}
	if r.Default != nil {
		r.Default(obj)
	}
	if r.Generation {
		obj.SetGeneration(1)
	}
	if _, ok := r.Subresource("status"); ok && !r.StatusOnCreate {
		clearStatus(obj)
	}
	if r.Prepare != nil {
		r.Prepare(obj, nil)
	}
	if r.Stamp != nil {
		r.Stamp(obj, nil, w)
	}
}

// PrepareForUpdate does the same with an object that takes the place of old. CountChange sets its generation, once all is known
// that changes.
func (r *Resource) PrepareForUpdate(obj, old Object, w Write) {
	if r.ClusterScoped {
		obj.SetNamespace("")
	}
	if r.Default != nil {
		r.Default(obj)
	}
	if _, ok := r.Subresource("status"); ok {
		copyStatus(obj, old)
	}
	if r.Prepare != nil {
		r.Prepare(obj, old)
	}
	if r.Stamp != nil {
		r.Stamp(obj, old, w)
	}
}

// CountChange gives the object, which has the generation of old, the one that follows where it changes anything.
func (r *Resource) CountChange(obj, old Object) {
	if r.Generation && changed(obj, old) {
		obj.SetGeneration(old.GetGeneration() + 1)
	}
}

// Complete fills in once more what is left out, as upstream does when it reads an object that was stored: defaults may follow from what
// only the steps before have set.
func (r *Resource) Complete(obj Object) {
	if r.Default != nil {
		r.Default(obj)
	}
}

// Warnings are what a write is answered with besides the object; old is nil on create.
func (r *Resource) Warnings(obj, old Object) []string {
	var out []string
	if old == nil && r.Idle != "" {
		out = append(out, fmt.Sprintf("minik stores this %s and does no more with it yet: %s", r.Kind.Kind, r.Idle))
	}
	if r.Warn != nil {
		out = append(out, r.Warn(obj, old)...)
	}
	return out
}

// What is the object's status, and what is neither that nor metadata, is the same question for every kind: an object is of a Go
// type with a field Status, or unstructured with a member of that name.

// clearStatus takes the object's status away.
func clearStatus(obj Object) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		delete(u.Object, "status")
		return
	}
	if status := statusField(obj); status.IsValid() {
		status.SetZero()
	}
}

// copyStatus gives obj the status of from.
func copyStatus(obj, from Object) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		status, there, _ := unstructured.NestedFieldCopy(from.(*unstructured.Unstructured).Object, "status") // no path to fail on
		if delete(u.Object, "status"); there {
			u.Object["status"] = status
		}
		return
	}
	if status := statusField(obj); status.IsValid() {
		status.Set(statusField(from.DeepCopyObject().(Object)))
	}
}

func statusField(obj Object) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName("Status")
}

// changed reports whether anything but metadata and status differs.
func changed(obj, old Object) bool {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return !equality.Semantic.DeepEqual(wanted(u), wanted(old.(*unstructured.Unstructured)))
	}
	a, b := reflect.ValueOf(obj).Elem(), reflect.ValueOf(old).Elem()
	for i := range a.NumField() {
		switch a.Type().Field(i).Name {
		case "TypeMeta", "ObjectMeta", "Status":
			continue
		}
		if !equality.Semantic.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			return true
		}
	}
	return false
}

// wanted is the object without its kind, metadata and status.
func wanted(u *unstructured.Unstructured) map[string]any {
	out := make(map[string]any, len(u.Object))
	for name, value := range u.Object {
		switch name {
		case "apiVersion", "kind", "metadata", "status":
		default:
			out[name] = value
		}
	}
	return out
}
