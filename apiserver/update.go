package apiserver

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// update writes the body in the place of the addressed object, or of a part of it.
func (s *Server) update(r *request) error {
	body, err := s.subBody(r)
	if err != nil {
		return err
	}
	written, err := s.mutate(r, "update", func(current resources.Object) (resources.Object, bool, error) {
		obj, err := s.placed(r, current, body.DeepCopyObject())
		return obj, false, err
	})
	if errors.Is(err, store.ErrNotFound) && r.row.CreateOnUpdate && r.sub == nil {
		obj := body.(resources.Object)
		obj.SetResourceVersion("")
		if err = s.mayCreate(r); err == nil {
			err = s.createObject(r, obj, false)
		}
		return err
	}
	if err != nil {
		return err
	}
	return s.answerChanged(r, written)
}

// mayCreate asks whether the client may create what its update or patch does not find.
func (s *Server) mayCreate(r *request) error {
	asked := *r
	asked.verb = "create"
	return s.authorize(&asked)
}

// subBody reads the body as the object or as the subresource's own kind.
func (s *Server) subBody(r *request) (runtime.Object, error) {
	if r.part() {
		body, err := s.decodeBody(r, r.sub.Kind, r.sub.New())
		if err != nil {
			return nil, err
		}
		if named, ok := body.(resources.Object); ok {
			err = r.nameMatches(named)
		}
		return body, err
	}
	obj, err := s.object(r)
	if err != nil {
		return nil, err
	}
	return obj, r.nameMatches(obj)
}

// placed is the current object with the body in its place: the body itself, or the current object with the subresource
// written into it.
func (s *Server) placed(r *request, current resources.Object, body runtime.Object) (resources.Object, error) {
	if r.sub == nil {
		return body.(resources.Object), nil
	}
	return r.sub.Place(current, body)
}

// mutate changes the addressed object: it reads the newest state, lets change make the next one of a copy, and writes that
// on the condition that nobody else wrote meanwhile. A change that lost the race is made again of the newer state, unless
// the client insists on the state that it knows (a resourceVersion) or change says that it is final.
//
// The state comes from the cache. When it turns out to be old, the transaction brings the newer one along.
func (s *Server) mutate(r *request, verb string,
	change func(current resources.Object) (next resources.Object, owned bool, err error)) (*store.Entry, error) {
	dryRun := r.dryRun()
	current, err := s.find(r, false)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		written, err := s.mutateOnce(r, verb, current, change, dryRun, attempt == 1)
		var conflict *store.ConflictError
		switch {
		case errors.As(err, &conflict) && conflict.Current != nil && attempt < attempts:
			current = conflict.Current
			continue
		case errors.Is(err, errDrawnAgain) && attempt < attempts:
			if err := s.store.Fresh(r.Context()); err != nil {
				return nil, err
			}
			continue
		case err == nil && written != current && !dryRun:
			return written, nil // the transaction found current to be the newest
		}
		// Nothing was written: the change was refused, or makes no difference. Is that so of the newest state as well?
		newer, findErr := s.find(r, true)
		if findErr != nil {
			return nil, findErr
		}
		if newer.Revision <= current.Revision || attempt >= attempts {
			return written, err
		}
		current = newer
	}
}

// errDrawnAgain says that what the server drew (a port) was taken meanwhile, so that another one has to be drawn.
var errDrawnAgain = errors.New("what was drawn has been taken meanwhile")

// mutateOnce makes the change of the current state and writes it. It returns current itself where nothing changes.
func (s *Server) mutateOnce(r *request, verb string, current *store.Entry,
	change func(current resources.Object) (next resources.Object, owned bool, err error),
	dryRun, firstTime bool) (*store.Entry, error) {
	if err := r.Context().Err(); err != nil { // each step is the last chance to stop before the next
		return nil, err
	}
	next, owned, err := change(current.Object)
	if err == nil {
		err = r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	if err := precondition(r, current, next); err != nil {
		return nil, err
	}
	asked := claimsOf(r.row, next) // before admission draws more
	if err := s.prepareUpdate(r, next, current.Object, owned, firstTime); err != nil {
		return nil, err
	}
	if dryRun {
		return store.Unwritten(r.row, next), nil
	}
	written, err := s.writeUpdate(r, verb, current, next)
	if drawnAgain(asked, err) {
		return nil, errors.Join(errDrawnAgain, claimed(r.row, next, err))
	}
	return written, claimed(r.row, next, err)
}

// writeUpdate writes the next state. An object that is being deleted, and that nothing keeps any more, goes.
func (s *Server) writeUpdate(r *request, verb string, current *store.Entry, next resources.Object) (*store.Entry, error) {
	if err := r.Context().Err(); err != nil { // a write that has begun may be done in spite of it
		return nil, err
	}
	if released(r.row, next) {
		if err := s.store.Delete(r.Context(), r.row, current, r.entry("delete", r.name)); err != nil {
			return nil, err
		}
		return store.Unwritten(r.row, next), nil
	}
	return s.store.Update(r.Context(), r.row, current, next, r.entry(verb, r.name))
}

// released reports whether this update takes away the last thing that kept an object which is being deleted.
func released(row *resources.Resource, obj resources.Object) bool {
	if obj.GetDeletionTimestamp() == nil || len(obj.GetFinalizers()) > 0 {
		return false
	}
	if grace := obj.GetDeletionGracePeriodSeconds(); grace != nil && *grace > 0 {
		return false
	}
	return row.Retire == nil || !row.Retire(obj)
}

// precondition checks the resourceVersion and the UID that the client insists on.
func precondition(r *request, current *store.Entry, next resources.Object) error {
	if v := next.GetResourceVersion(); r.row.Conditional && r.verb == "update" && (v == "" || v == "0") {
		return apierrors.NewInvalid(r.row.Kind.GroupKind(), r.name, field.ErrorList{field.Invalid(
			field.NewPath("metadata", "resourceVersion"), 0, "must be specified for an update")})
	}
	if v := next.GetResourceVersion(); v != "" && v != "0" && v != current.Object.GetResourceVersion() {
		return apierrors.NewConflict(r.gr(), r.name, &store.ConflictError{})
	}
	if uid := next.GetUID(); uid != "" && uid != current.Object.GetUID() {
		return apierrors.NewConflict(r.gr(), r.name, fmt.Errorf(
			"Precondition failed: UID in precondition: %v, UID in object meta: %v", uid, current.Object.GetUID()))
	}
	return nil
}

// prepareUpdate makes the next state ready to be stored, or says why it can't be. owned says that managedFields are up to
// date already.
func (s *Server) prepareUpdate(r *request, obj, old resources.Object, owned, firstTime bool) error {
	obj.SetUID(old.GetUID())
	obj.SetCreationTimestamp(old.GetCreationTimestamp())
	obj.SetDeletionTimestamp(old.GetDeletionTimestamp())
	obj.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
	obj.SetGeneration(old.GetGeneration())
	obj.SetSelfLink("")
	obj.SetResourceVersion(old.GetResourceVersion())
	r.dropRepeatedOwners(obj)
	// Before anything else: the client owns what it has said, and none of what the server makes of it.
	if !owned {
		if err := s.fields.Update(r.row, r.kind(), r.subresource, old, obj, r.manager()); err != nil {
			return err
		}
	}
	if err := r.Context().Err(); err != nil { // each step is the last chance to stop before the next
		return err
	}
	admitted := r.admission("update", obj, old, firstTime)
	if err := s.admission.Mutate(r.Context(), admitted); err != nil {
		return err
	}
	if r.sub == nil {
		r.row.PrepareForUpdate(obj, old, r.write()) // with the defaults once more: a plugin may have added something
	} else if r.row.Stamp != nil {
		r.row.Stamp(obj, old, r.write())
	}
	if err := s.admission.Allocate(r.Context(), admitted); err != nil {
		return err
	}
	// A binding puts the pod in its place; the pod that is wanted stays the same (upstream).
	if r.sub == nil || r.sub.Apply != nil {
		r.row.CountChange(obj, old)
	}
	if err := r.Context().Err(); err != nil {
		return err
	}
	if err := invalid(r, obj, old); err != nil {
		return err
	}
	if err := s.admission.Validate(r.Context(), admitted); err != nil {
		return err
	}
	if firstTime {
		warnings := r.row.Warnings
		if r.sub != nil {
			warnings = r.sub.Warnings
		}
		for _, w := range warnings(obj, old) {
			r.warn(w)
		}
	}
	r.row.Complete(obj)
	return nil
}

// createSubresource lets the posted body change the object (a pod's binding) and answers with what the subresource says.
func (s *Server) createSubresource(r *request) error {
	body, err := s.decodeBody(r, r.sub.Kind, r.sub.New())
	if err != nil {
		return err
	}
	return s.createPart(r, body)
}

// createPart is the same with the body that was read.
func (s *Server) createPart(r *request, body runtime.Object) error {
	var answer runtime.Object
	now := r.received.Truncate(time.Second)
	_, err := s.mutate(r, "create", func(current resources.Object) (resources.Object, bool, error) {
		next := current.DeepCopyObject().(resources.Object)
		var err error
		answer, err = r.sub.Create(next, body, now)
		return next, true, err // the binder does not come to own the pod's node (upstream)
	})
	if err != nil {
		return err
	}
	return s.plain(r, http.StatusCreated, answer)
}
