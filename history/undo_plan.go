package history

import (
	"fmt"
	"slices"
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

// states are an object before a revision, after it, and now; nil where there is none. Later are the writes since that changed more
// than its status, oldest first.
type states struct {
	Before, After, Now *unstructured.Unstructured
	Later              []later
}

// later is a write after the one that is to be undone, and the fields that it changed.
type later struct {
	Revision *api.Revision
	Changed  []path
}

// planUndo says how to take back what one revision did to its object, field by field: what others have changed since in other fields
// stays. It is refused where that cannot be done, and where the same fields were changed again since, unless it is forced.
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
	if s.Before == nil {
		if since := s.byPeople(); len(since) > 0 && !force {
			return Undo{}, again("%s was changed again since, in %s; --force deletes it all the same", object, listed(since))
		}
		return Undo{Verb: undoDelete, From: s.Now,
			Reason: fmt.Sprintf("revision %s is undone: %s was not there before it", r.GetName(), object)}, nil
	}
	changes, conflicts := s.open()
	if len(changes) == 0 {
		return Undo{}, again("%s is already again what it was before it", object)
	}
	if len(conflicts) > 0 && !force {
		return Undo{}, again("%s was changed again since, in %s; --force takes that back too", object, listed(conflicts))
	}
	to := s.Now.DeepCopy()
	to.Object = takenBack(to.Object, s.Before.Object, changes)
	unstructured.RemoveNestedField(to.Object, "metadata", "managedFields")
	var fields []string
	for _, c := range changes {
		if !c.noted() {
			fields = append(fields, c.at.String())
		}
	}
	return Undo{Verb: undoUpdate, From: s.Now, To: to, Reason: fmt.Sprintf("revision %s is undone: %s of %s", r.GetName(),
		listed(fields), object)}, nil
}

// open are the changes of the revision that are still to be taken back, and those of them whose field was changed to something else
// since, by whom. What kubectl has noted last belongs to its latest apply, and stays.
func (s states) open() (changes []change, conflicts []string) {
	now := intended(s.Now)
	for _, c := range changesOf(intended(s.Before), intended(s.After)) {
		is := fieldAt(now, c.at)
		switch same := equality.Semantic.DeepEqual(is, c.is); {
		case equality.Semantic.DeepEqual(is, c.was), !same && c.noted():
			continue
		case !same:
			conflicts = append(conflicts, c.at.String()+s.who(c.at))
		}
		changes = append(changes, c)
	}
	return changes, conflicts
}

// byPeople are the fields that somebody has changed since who is no component of a cluster. Those write into what they manage: the
// number of a revision, a finalizer.
func (s states) byPeople() []string {
	var out []string
	for _, l := range s.Later {
		if strings.HasPrefix(l.Revision.Actor.User, "system:") {
			continue
		}
		for _, at := range l.Changed {
			out = append(out, at.String()+by(l.Revision))
		}
	}
	return out
}

// who says who changed the field last; "" where no later write is known that did.
func (s states) who(at path) string {
	for _, l := range slices.Backward(s.Later) {
		for _, changed := range l.Changed {
			if n := min(len(changed), len(at)); slices.Equal(changed[:n], at[:n]) {
				return by(l.Revision)
			}
		}
	}
	return ""
}

func by(r *api.Revision) string { return fmt.Sprintf(" (by %s, revision %s)", ActorOf(r), r.GetName()) }

// mostListed is how many fields are named.
const mostListed = 5

func listed(fields []string) string {
	if more := len(fields) - mostListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(fields[:mostListed], ", "), more)
	}
	return strings.Join(fields, ", ")
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
