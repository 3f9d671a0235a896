package apiserver

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"minik.dev/apiserver/resources"
)

// What is the object's status, and what is neither that nor metadata, is the same question for every kind: an object is of a Go
// type with a field Status, or unstructured with a member of that name.

// clearStatus takes the object's status away.
func clearStatus(obj resources.Object) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		delete(u.Object, "status")
		return
	}
	if status := statusField(obj); status.IsValid() {
		status.SetZero()
	}
}

// copyStatus gives obj the status of from.
func copyStatus(obj, from resources.Object) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		status, there, _ := unstructured.NestedFieldCopy(from.(*unstructured.Unstructured).Object, "status") // no path to fail on
		if delete(u.Object, "status"); there {
			u.Object["status"] = status
		}
		return
	}
	if status := statusField(obj); status.IsValid() {
		status.Set(statusField(from.DeepCopyObject().(resources.Object)))
	}
}

func statusField(obj resources.Object) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName("Status")
}

// changed reports whether anything but metadata and status differs.
func changed(obj, old resources.Object) bool {
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
