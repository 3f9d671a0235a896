package history

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"minik.dev/api"
)

// undoVerb is what undoing a revision takes.
type undoVerb string

const (
	undoCreate undoVerb = "create"
	undoUpdate undoVerb = "update"
	undoDelete undoVerb = "delete"
)

// Undo is how one revision is undone: From is the object as it is, To as it is to be; nil where there is none.
type Undo struct {
	Revision *api.Revision
	Verb     undoVerb // create, update or delete
	From, To *unstructured.Unstructured
	Reason   string

	objects dynamic.ResourceInterface // of the revision's kind
}

// states are an object before a revision, after it, and now; nil where there is none.
type states struct{ Before, After, Now *unstructured.Unstructured }

// planUndo says how to take back what one revision did to its object. It is refused where that cannot be done, and where
// the object was changed again since, unless it is forced.
func planUndo(r *api.Revision, s states, force bool) (Undo, error) {
	object := ObjectOf(r)
	again := func(format string, args ...any) error {
		return fmt.Errorf("revision %s cannot be undone: %s", r.GetName(), fmt.Sprintf(format, args...))
	}
	ended := s.After == nil || s.After.GetDeletionTimestamp() != nil && (s.Before == nil || s.Before.GetDeletionTimestamp() == nil)
	switch {
	case s.Before == nil && s.After == nil:
		return Undo{}, again("%s was neither there before it nor after it", object)
	case s.Before != nil && s.After != nil && !ended && equality.Semantic.DeepEqual(intended(s.Before), intended(s.After)):
		return Undo{}, again("it changed nothing of %s but what its status or its metadata report", object)
	case s.Before == nil && s.Now == nil:
		return Undo{}, again("it created %s, which is gone already", object)
	case s.Before != nil && ended && s.Now == nil:
		return Undo{Verb: undoCreate, To: anew(s.Before),
			Reason: fmt.Sprintf("revision %s is undone: %s was there before it", r.GetName(), object)}, nil
	case s.Before != nil && ended && s.Now.GetUID() == s.Before.GetUID():
		return Undo{}, again("the deletion of %s is still going on; undo it when it is over", object)
	case s.Before != nil && ended:
		return Undo{}, again("it deleted %s, and one of that name was created since", object)
	case s.Now == nil:
		return Undo{}, again("%s was deleted since: undo that revision", object)
	case s.Now.GetUID() != s.After.GetUID():
		return Undo{}, again("%s was deleted since, and created again", object)
	case s.Now.GetDeletionTimestamp() != nil:
		return Undo{}, again("%s is being deleted", object)
	}
	if s.Before != nil && equality.Semantic.DeepEqual(intended(s.Before), intended(s.Now)) {
		return Undo{}, again("%s is already again what it was before it", object)
	}
	if !force && !equality.Semantic.DeepEqual(intended(s.After), intended(s.Now)) {
		return Undo{}, again("%s was changed again since, in %s; --force takes that back too", object,
			strings.Join(differing(intended(s.After), intended(s.Now)), ", "))
	}
	if s.Before == nil {
		return Undo{Verb: undoDelete, From: s.Now,
			Reason: fmt.Sprintf("revision %s is undone: %s was not there before it", r.GetName(), object)}, nil
	}
	to := back(s.Now, s.Before)
	return Undo{Verb: undoUpdate, From: s.Now, To: to, Reason: fmt.Sprintf("revision %s is undone: %s of %s", r.GetName(),
		strings.Join(differing(intended(s.Now), intended(to)), ", "), object)}, nil
}

// reported are the fields of the metadata that the server and the controllers keep, and nobody wants.
var reported = []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink",
	"deletionTimestamp", "deletionGracePeriodSeconds"}

// intended is what somebody asked for in the object: all but its status and what the server says of it.
func intended(u *unstructured.Unstructured) map[string]any {
	w := u.DeepCopy()
	delete(w.Object, "status")
	for _, field := range reported {
		unstructured.RemoveNestedField(w.Object, "metadata", field)
	}
	return w.Object
}

// anew is the object as it can be created again: its identity is a new one.
func anew(u *unstructured.Unstructured) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: intended(u)}
}

// back is now with all that was wanted before, and with its own identity and status.
func back(now, before *unstructured.Unstructured) *unstructured.Unstructured {
	to := anew(before)
	if status, ok := now.Object["status"]; ok {
		to.Object["status"] = status
	}
	for _, field := range reported {
		if value, ok, _ := unstructured.NestedFieldCopy(now.Object, "metadata", field); ok && field != "managedFields" {
			_ = unstructured.SetNestedField(to.Object, value, "metadata", field) // metadata is a map in both
		}
	}
	return to
}

// differing names the fields in which two objects differ, two levels deep: "spec.replicas".
func differing(a, b map[string]any) []string {
	var out []string
	for _, key := range keysOf(a, b) {
		inA, okA := a[key].(map[string]any)
		inB, okB := b[key].(map[string]any)
		if !okA || !okB {
			if !equality.Semantic.DeepEqual(a[key], b[key]) {
				out = append(out, key)
			}
			continue
		}
		for _, inner := range keysOf(inA, inB) {
			if !equality.Semantic.DeepEqual(inA[inner], inB[inner]) {
				out = append(out, key+"."+inner)
			}
		}
	}
	return out
}
