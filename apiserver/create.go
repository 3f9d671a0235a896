package apiserver

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/admission"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// attempts bounds how often a write is tried again that lost a race: for an address, for a generated name, against
// another writer.
const attempts = 16

// maxGenerated is how long the given part of a generated name may be; a random suffix of five follows (upstream).
const maxGenerated = 58

// create makes a new object of the body.
func (s *Server) create(r *request) error {
	obj, err := s.object(r)
	if err != nil {
		return err
	}
	switch {
	case r.row.Answer != nil:
		return s.review(r, obj)
	case r.row.StandsFor != "":
		return s.redirected(r, obj)
	}
	return s.createObject(r, obj, false)
}

// redirected does with the object what the subresource does that its row stands for.
func (s *Server) redirected(r *request, obj resources.Object) error {
	if obj.GetName() == "" {
		return apierrors.NewBadRequest("Name parameter required.")
	}
	r.resource, r.subresource, _ = strings.Cut(r.row.StandsFor, "/")
	r.row = r.rows.Named(r.row.Kind.Group, r.resource)
	r.sub, _ = r.row.Subresource(r.subresource)
	r.name = obj.GetName()
	return s.createPart(r, obj)
}

// review answers a question, and stores nothing.
func (s *Server) review(r *request, obj resources.Object) error {
	if mistakes := r.row.Validate(obj, nil); len(mistakes) > 0 {
		return invalidObject(r.row.Kind.GroupKind(), obj.GetName(), mistakes, r.row.Secret)
	}
	r.row.Answer(obj, resources.Asked{User: r.user, May: s.authorizer.Authorize, Rules: s.authorizer.Rules})
	return s.plain(r, http.StatusCreated, obj)
}

// createObject writes the object and answers with it. owned says that its managedFields are up to date already.
func (s *Server) createObject(r *request, obj resources.Object, owned bool) error {
	dryRun := r.dryRun()
	if obj.GetResourceVersion() != "" && !dryRun { // it is the storage that refuses it (upstream)
		return apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	generate := obj.GetName() == "" && obj.GetGenerateName() != ""
	retried := generate || r.row.Claims != nil
	asked := claimsOf(r.row, obj)
	r.dropRepeatedOwners(obj)
	// Before anything else: the client owns what it has said, and none of what the server makes of it.
	if !owned {
		if err := s.fields.Create(r.row, r.kind(), obj, r.manager(), r.received); err != nil {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		fresh := obj
		if retried { // each attempt starts from what was asked for
			fresh = obj.DeepCopyObject().(resources.Object)
		}
		if generate {
			fresh.SetName(generatedName(fresh.GetGenerateName(), s.NewSuffix()))
		}
		r.name = fresh.GetName()
		if err := s.prepareCreate(r, fresh, attempt == 1); err != nil {
			return err
		}
		if dryRun {
			return s.answerDry(r, http.StatusCreated, fresh)
		}
		if err := r.Context().Err(); err != nil { // a write that has begun may be done in spite of it
			return err
		}
		entry, err := s.store.Create(r.Context(), r.row, fresh, r.entry("create", fresh.GetName()))
		if err == nil {
			return s.answer(r, http.StatusCreated, entry)
		}
		again := attempt < attempts && (generate && errors.Is(err, store.ErrExists) || drawnAgain(asked, err))
		if !again {
			return claimed(r.row, fresh, err)
		}
		if err := s.store.Fresh(r.Context()); err != nil {
			return err
		}
	}
}

func generatedName(base, suffix string) string { return base[:min(len(base), maxGenerated)] + suffix }

// drawnAgain reports whether the write failed on something that the server had drawn and the client had not asked for.
func drawnAgain(asked []string, err error) bool {
	var taken *store.ClaimedError
	return errors.As(err, &taken) && !slices.Contains(asked, taken.Claim)
}

func claimsOf(row *resources.Resource, obj resources.Object) []string {
	if row.Claims == nil {
		return nil
	}
	return row.Claims(obj)
}

// claimed words the refusal of what the client asked for and somebody else has.
func claimed(row *resources.Resource, obj resources.Object, err error) error {
	var taken *store.ClaimedError
	if !errors.As(err, &taken) {
		return err
	}
	return apierrors.NewInvalid(row.Kind.GroupKind(), obj.GetName(), field.ErrorList{row.Taken(obj, taken.Claim)})
}

// prepareCreate makes the object ready to be stored, or says why it can't be.
func (s *Server) prepareCreate(r *request, obj resources.Object, firstTime bool) error {
	obj.SetUID(s.NewUID())
	obj.SetCreationTimestamp(metav1.NewTime(r.received.Truncate(1e9)))
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	obj.SetSelfLink("")
	admitted := r.admission("create", obj, nil, firstTime)
	if err := s.admission.Mutate(r.Context(), admitted); err != nil {
		return err
	}
	r.row.PrepareForCreate(obj, r.write()) // with the defaults once more: a plugin may have added something
	if err := s.admission.Allocate(r.Context(), admitted); err != nil {
		return err
	}
	if err := r.Context().Err(); err != nil { // each step is the last chance to stop before the next
		return err
	}
	if err := invalid(r, obj, nil); err != nil {
		return err
	}
	if err := s.admission.Validate(r.Context(), admitted); err != nil {
		return err
	}
	if firstTime {
		for _, w := range r.row.Warnings(obj, nil) {
			r.warn(w)
		}
	}
	r.row.Complete(obj)
	return nil
}

// dropRepeatedOwners keeps one of owner references that are the same in everything, and warns of the others.
func (r *request) dropRepeatedOwners(obj resources.Object) {
	refs := obj.GetOwnerReferences()
	if len(refs) < 2 {
		return
	}
	kept := make([]metav1.OwnerReference, 0, len(refs))
	seen := make(map[ownerKey]bool, len(refs))
	var repeated []string
	for _, ref := range refs {
		key := keyOf(ref)
		if seen[key] {
			repeated = append(repeated, string(ref.UID))
			continue
		}
		seen[key] = true
		kept = append(kept, ref)
	}
	if len(repeated) == 0 {
		return
	}
	obj.SetOwnerReferences(kept)
	r.warn(".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject " +
		"such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: " + strings.Join(repeated, ", "))
}

// ownerKey is all of an owner reference, so that two of them can be compared without looking at each pair.
type ownerKey struct {
	metav1.OwnerReference      // without its pointers
	controller, blocks         bool
	saysController, saysBlocks bool
}

func keyOf(ref metav1.OwnerReference) ownerKey {
	key := ownerKey{
		controller: ptr.Deref(ref.Controller, false), blocks: ptr.Deref(ref.BlockOwnerDeletion, false),
		saysController: ref.Controller != nil, saysBlocks: ref.BlockOwnerDeletion != nil,
	}
	ref.Controller, ref.BlockOwnerDeletion = nil, nil
	key.OwnerReference = ref
	return key
}

// admission is what the plugins of the chain get to see of the request. They warn and note once, in the first attempt.
func (r *request) admission(verb string, obj, old resources.Object, firstTime bool) *admission.Request {
	a := &admission.Request{
		Row: r.row, Kind: r.document(), Verb: verb, Subresource: r.subresource, Namespace: r.namespace, Name: r.name, Object: obj, Old: old,
		User: r.user, Options: r.options, DryRun: r.dryRun(),
	}
	if firstTime {
		a.Warn, a.Note = r.warn, r.note
	}
	return a
}

// invalid collects every mistake.
func invalid(r *request, obj, old resources.Object) error {
	var mistakes field.ErrorList
	if r.sub != nil && r.sub.Validate != nil {
		mistakes = r.sub.Mistakes(r.row, obj, old)
	} else {
		mistakes = resources.Version{Row: r.row, Served: r.served}.Mistakes(obj, old)
	}
	if len(mistakes) == 0 {
		return nil
	}
	return invalidObject(r.row.Kind.GroupKind(), obj.GetName(), mistakes, r.row.Secret)
}
