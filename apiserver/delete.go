package apiserver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// deletion is what becomes of an object that is to be deleted.
type deletion struct {
	// Now: the object goes at once. Otherwise Next is what is written, and something lets it go later: the kubelet at the
	// end of the grace period, or whoever owns a finalizer.
	Now  bool
	Next resources.Object
	// Reason says why.
	Reason string
}

// planDelete decides what becomes of the object. It is pure: it does not change obj.
//
// The rules are upstream's: a grace period (pods) puts the deletion off; an object that is waiting can only be made to
// wait shorter; orphan and foreground deletion are finalizers that the garbage collector serves; finalizers keep the
// object until they are gone.
func planDelete(row *resources.Resource, obj resources.Object, options *metav1.DeleteOptions, now time.Time) deletion {
	next := obj.DeepCopyObject().(resources.Object)
	var grace int64
	if row.Grace != nil {
		grace = row.Grace(obj, options)
	}
	next.SetFinalizers(finalizers(row, obj, options))
	if at := obj.GetDeletionTimestamp(); at != nil {
		before := ptr.Deref(obj.GetDeletionGracePeriodSeconds(), 0)
		if grace >= before && slices.Equal(next.GetFinalizers(), obj.GetFinalizers()) && before > 0 {
			return deletion{Next: next, Reason: fmt.Sprintf("it is being deleted already, within %d s", before)}
		}
		if grace < before {
			began := at.Add(-time.Duration(before) * time.Second)
			next.SetDeletionTimestamp(&metav1.Time{Time: began.Add(time.Duration(grace) * time.Second)})
			next.SetDeletionGracePeriodSeconds(&grace)
		}
	} else {
		next.SetDeletionTimestamp(&metav1.Time{Time: now.Truncate(time.Second).Add(time.Duration(grace) * time.Second)})
		next.SetDeletionGracePeriodSeconds(&grace)
		if next.GetGeneration() > 0 {
			next.SetGeneration(next.GetGeneration() + 1)
		}
	}
	kept := row.Retire != nil && row.Retire(next)
	switch {
	case grace > 0:
		return deletion{Next: next, Reason: fmt.Sprintf("it has %d s to end by itself", grace)}
	case len(next.GetFinalizers()) > 0:
		return deletion{Next: next, Reason: fmt.Sprintf("finalizers keep it: %q", next.GetFinalizers())}
	case kept:
		return deletion{Next: next, Reason: "its spec.finalizers keep it"}
	}
	return deletion{Now: true, Next: next, Reason: "nothing keeps it"}
}

// finalizers are the object's own, and that of the way in which its dependents are to go.
func finalizers(row *resources.Resource, obj resources.Object, options *metav1.DeleteOptions) []string {
	keep := slices.DeleteFunc(slices.Clone(obj.GetFinalizers()), func(f string) bool {
		return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
	})
	switch {
	case options.PropagationPolicy != nil:
		switch *options.PropagationPolicy {
		case metav1.DeletePropagationOrphan:
			return append(keep, metav1.FinalizerOrphanDependents)
		case metav1.DeletePropagationForeground:
			return append(keep, metav1.FinalizerDeleteDependents)
		}
		return keep
	case options.OrphanDependents != nil: //nolint:staticcheck // deprecated, and still sent
		if *options.OrphanDependents { //nolint:staticcheck // as above
			return append(keep, metav1.FinalizerOrphanDependents)
		}
		return keep
	case len(keep) != len(obj.GetFinalizers()):
		return obj.GetFinalizers() // what was asked for before stays
	case row.OrphanByDefault:
		return append(keep, metav1.FinalizerOrphanDependents)
	}
	return keep
}

// delete removes the addressed object, or begins to.
func (s *Server) delete(r *request) error {
	options, err := s.deleteOptions(r)
	if err != nil {
		return err
	}
	entry, now, err := s.deleteObject(r, options, nil)
	if err != nil {
		return err
	}
	if now && !r.row.ReturnDeleted {
		return s.plain(r, http.StatusOK, success(r, entry.Object.GetUID()))
	}
	code := http.StatusOK
	if cascade := options.OrphanDependents; !now && cascade != nil && !*cascade { //nolint:staticcheck // still sent
		code = http.StatusAccepted // upstream says so to those alone that ask in this old way
	}
	return s.answer(r, code, entry)
}

// deleteObject carries a deletion out. It returns the object as it is now, and whether it is gone. An object that stays for
// a while is marked, if mark is not nil.
func (s *Server) deleteObject(r *request, options *metav1.DeleteOptions, mark func(resources.Object, time.Time)) (
	entry *store.Entry, gone bool, err error) {
	admitted := r.admission("delete", nil, nil, true)
	admitted.Options, admitted.DryRun, admitted.Subresource = options, len(options.DryRun) > 0, ""
	if err := s.admission.Mutate(r.Context(), admitted); err != nil {
		return nil, false, err
	}
	current, err := s.find(r, true)
	if err != nil {
		return nil, false, err
	}
	for attempt := 1; ; attempt++ {
		if err := r.Context().Err(); err != nil { // a write that has begun may be done in spite of it
			return nil, false, err
		}
		if err := deletable(r, current, options); err != nil {
			return nil, false, err
		}
		admitted.Old = current.Object
		if err := s.admission.Validate(r.Context(), admitted); err != nil {
			return nil, false, err
		}
		plan := planDelete(r.row, current.Object, options, r.received)
		if len(options.DryRun) > 0 {
			if !plan.Now {
				current = store.Unwritten(r.row, plan.Next)
			}
			return current, plan.Now, nil
		}
		if mark != nil {
			mark(plan.Next, r.received)
		}
		if plan.Now {
			err = s.store.Delete(r.Context(), r.row, current, r.entry("delete", r.name))
			entry = current
		} else {
			entry, err = s.store.Update(r.Context(), r.row, current, plan.Next, r.entry("delete", r.name))
		}
		var conflict *store.ConflictError
		if errors.As(err, &conflict) && attempt < attempts {
			current = conflict.Current
			continue
		}
		return entry, plan.Now, err
	}
}

// deletable checks the preconditions.
func deletable(r *request, current *store.Entry, options *metav1.DeleteOptions) error {
	if options.Preconditions == nil {
		return nil
	}
	if uid := options.Preconditions.UID; uid != nil && *uid != current.Object.GetUID() {
		return apierrors.NewConflict(r.gr(), r.name, fmt.Errorf(
			"Precondition failed: UID in precondition: %v, UID in object meta: %v", *uid, current.Object.GetUID()))
	}
	if v := options.Preconditions.ResourceVersion; v != nil && *v != current.Object.GetResourceVersion() {
		return apierrors.NewConflict(r.gr(), r.name, fmt.Errorf(
			"Precondition failed: ResourceVersion in precondition: %v, ResourceVersion in object meta: %v",
			*v, current.Object.GetResourceVersion()))
	}
	return nil
}

// deleteOptions reads the body, or the query where there is no body.
func (s *Server) deleteOptions(r *request) (*metav1.DeleteOptions, error) {
	options, values := &metav1.DeleteOptions{}, r.URL.Query()
	data, err := r.body()
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		contentType, err := bodyType(r.Request, mediaJSON, mediaYAML, mediaProto)
		if err != nil {
			return nil, err
		}
		kind := schema.GroupVersionKind{Version: "v1", Kind: "DeleteOptions"} // what a body that names no kind is taken for
		decoded, err := s.decode(r, contentType, data, kind, options)
		if err != nil {
			return nil, err
		}
		var ok bool
		if options, ok = decoded.(*metav1.DeleteOptions); !ok {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("the body is no DeleteOptions but a %T", decoded))
		}
	} else if err := metav1.Convert_url_Values_To_v1_DeleteOptions(&values, options, nil); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if r.dryRun() && len(data) > 0 { // upstream asks the body alone; who says it anywhere means it
		options.DryRun = append(options.DryRun, values["dryRun"]...)
	}
	unsaid := options.PropagationPolicy == nil && options.OrphanDependents == nil //nolint:staticcheck // still sent
	if unsaid && r.row.OrphanByDefault && r.row.WarnOrphaned != "" {
		r.warn(r.row.WarnOrphaned)
	}
	return options, wrongOptions("DeleteOptions", nil, metav1validation.ValidateDeleteOptions(options))
}

// deleteCollection deletes every object that the selectors choose, each as if it had been deleted alone.
func (s *Server) deleteCollection(r *request) error {
	options, err := s.deleteOptions(r)
	if err != nil {
		return err
	}
	query, err := s.listQuery(r)
	if err != nil {
		return err
	}
	found, err := s.collect(r, query)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(r.Context())
	group.SetLimit(16)
	for _, entry := range found.entries {
		one := *r
		one.Request = r.WithContext(ctx)
		one.name, one.namespace = entry.Object.GetName(), entry.Object.GetNamespace()
		group.Go(func() error {
			_, _, err := s.deleteObject(&one, options, nil)
			if errors.Is(err, store.ErrNotFound) {
				return nil // somebody else was faster
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.answerList(r, query, found)
}
