package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// patch changes the addressed object, or a part of it, as the body describes.
func (s *Server) patch(r *request) error {
	kind, err := bodyType(r.Request, string(types.JSONPatchType), string(types.MergePatchType),
		string(types.StrategicMergePatchType), string(types.ApplyYAMLPatchType))
	if err != nil {
		return err
	}
	data, err := r.body()
	if err != nil {
		return err
	}
	if types.PatchType(kind) == types.ApplyYAMLPatchType {
		return s.apply(r, data)
	}
	written, err := s.mutate(r, "patch", func(current resources.Object) (resources.Object, bool, error) {
		next, err := s.patched(r, types.PatchType(kind), data, current)
		return next, false, err
	})
	if err != nil {
		return err
	}
	return s.answerChanged(r, written)
}

// patched is the current object after the patch.
func (s *Server) patched(r *request, kind types.PatchType, patch []byte, current resources.Object) (resources.Object, error) {
	var shown, empty runtime.Object = r.out(current), r.in()
	document := r.kind()
	if r.part() {
		part, err := r.sub.Get(current)
		if err != nil {
			return nil, err
		}
		shown, empty, document = part, r.sub.New(), r.sub.Kind
	}
	if err := s.decodePatch(r, kind, patch); err != nil {
		return nil, err
	}
	before, err := json.Marshal(shown)
	if err != nil {
		return nil, fmt.Errorf("encoding the object to be patched: %w", err)
	}
	after, err := applyPatch(kind, patch, before, empty)
	if err != nil {
		return nil, err
	}
	body, err := s.decode(r, mediaJSON, after, document, empty)
	if err != nil {
		return nil, err
	}
	if r.part() {
		return s.placed(r, current, body)
	}
	obj, err := s.taken(r, body)
	if err != nil {
		return nil, err
	}
	if err := r.nameMatches(obj); err != nil {
		return nil, err
	}
	return s.placed(r, current, obj)
}

// decodePatch reads a patch that is a piece of an object, and judges fields that it has twice: of the patched object nobody
// could tell any more. (Unknown fields are found in that.)
func (s *Server) decodePatch(r *request, kind types.PatchType, patch []byte) error {
	if kind == types.JSONPatchType {
		return nil
	}
	v, err := r.fieldValidation()
	if err != nil {
		return err
	}
	twice, err := kjson.UnmarshalStrict(patch, &map[string]any{}, kjson.DisallowDuplicateFields)
	switch {
	case err != nil:
		return apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
	case len(twice) > 0 && v == strict:
		return apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", runtime.NewStrictDecodingError(twice)))
	case v == warn:
		for _, e := range twice {
			r.warn(e.Error())
		}
	}
	return nil
}

// boundCopies keeps a patch of a few copy operations from doubling a document over and over. The library has but one
// setting for the whole process.
var boundCopies = sync.OnceFunc(func() { jsonpatch.AccumulatedCopySizeLimit = maxBody })

// applyPatch is the pure part: one document and one patch make another document.
func applyPatch(kind types.PatchType, patch, before []byte, shape runtime.Object) ([]byte, error) {
	switch kind {
	case types.JSONPatchType:
		boundCopies()
		operations, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if len(operations) > 10_000 {
			return nil, apierrors.NewRequestEntityTooLargeError(
				fmt.Sprintf("The allowed maximum operations in a JSON patch is 10000, got %d", len(operations)))
		}
		after, err := operations.Apply(before)
		if err != nil {
			return nil, unprocessable(err)
		}
		return after, nil
	case types.MergePatchType:
		after, err := jsonpatch.MergePatch(before, patch)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return after, nil
	default:
		after, err := strategicpatch.StrategicMergePatch(before, patch, shape)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return after, nil
	}
}

func unprocessable(err error) error {
	e := apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
	e.ErrStatus.Message = "the server rejected our request due to an error in our request: " + err.Error()
	return e
}

// apply is server-side apply: the body says what its field manager wants, and the library merges it with what others want.
// An object that is not there is made.
func (s *Server) apply(r *request, data []byte) error {
	wanted, force, err := s.applied(r, data)
	if err != nil {
		return err
	}
	manager, err := s.fields.of(r.row, r.subresource)
	if err != nil {
		return err
	}
	merge := func(current resources.Object) (resources.Object, error) {
		merged, err := manager.Apply(current, wanted.DeepCopy(), r.URL.Query().Get("fieldManager"), force)
		if err != nil {
			return nil, err
		}
		return merged.(resources.Object), nil
	}
	for attempt := 1; ; attempt++ {
		written, err := s.mutate(r, "patch", func(current resources.Object) (resources.Object, bool, error) {
			current = current.DeepCopyObject().(resources.Object)
			next, err := merge(current)
			if err != nil || r.sub == nil {
				return next, true, err
			}
			managed := next.GetManagedFields()
			if next, err = s.placed(r, current, next); err == nil {
				next.SetManagedFields(managed)
			}
			return next, true, err
		})
		if err == nil {
			return s.answerChanged(r, written)
		}
		if !errors.Is(err, store.ErrNotFound) || r.sub != nil {
			return err
		}
		err = s.applyNew(r, merge)
		if !errors.Is(err, store.ErrExists) || attempt == attempts { // else somebody else was faster to make it
			return err
		}
	}
}

// applyNew makes the object that is applied and not there.
func (s *Server) applyNew(r *request, merge func(resources.Object) (resources.Object, error)) error {
	empty := r.row.New()
	empty.SetName(r.name)
	empty.SetNamespace(r.namespace)
	made, err := merge(empty)
	if err != nil {
		return err
	}
	made.SetResourceVersion("")
	return s.createObject(r, made, true)
}

// applied reads an apply request: the object, and whether fields may be taken from other managers.
func (s *Server) applied(r *request, data []byte) (*unstructured.Unstructured, bool, error) {
	query := r.URL.Query()
	group := schema.GroupKind{Group: "meta.k8s.io", Kind: "PatchOptions"}
	if query.Get("fieldManager") == "" {
		return nil, false, apierrors.NewInvalid(group, "", field.ErrorList{
			field.Required(field.NewPath("fieldManager"), "is required for apply patch")})
	}
	force := false
	if f := query.Get("force"); f != "" {
		var err error
		if force, err = strconv.ParseBool(f); err != nil {
			return nil, false, apierrors.NewBadRequest(fmt.Sprintf("force: %q is no boolean", f))
		}
	}
	// The body is decoded into the Go type first, for the same judgement of unknown fields as everywhere.
	if _, err := s.decode(r, mediaYAML, data, r.kind(), r.in()); err != nil {
		return nil, false, err
	}
	wanted := &unstructured.Unstructured{Object: map[string]any{}}
	if err := yaml.Unmarshal(data, &wanted.Object); err != nil {
		return nil, false, apierrors.NewBadRequest(fmt.Sprintf("error decoding YAML: %v", err))
	}
	if v := wanted.GetAPIVersion(); v == "" || wanted.GetKind() == "" {
		return nil, false, apierrors.NewBadRequest(fmt.Sprintf("incorrect version specified in apply patch. Specified patch "+
			"version: %s, kind: %s, expected: %s, %s", v, wanted.GetKind(), r.kind().GroupVersion(), r.kind().Kind))
	}
	if wanted.GetManagedFields() != nil {
		return nil, false, apierrors.NewBadRequest("metadata.managedFields must be nil")
	}
	if wanted.GetName() == "" {
		wanted.SetName(r.name)
	}
	if wanted.GetName() != r.name {
		return nil, false, r.nameMatches(wanted)
	}
	if err := r.settle(wanted); err != nil {
		return nil, false, err
	}
	if r.served != nil {
		return nil, false, apierrors.NewBadRequest(fmt.Sprintf("server-side apply of %s is served in version %s only",
			r.resource, r.row.Kind.GroupVersion()))
	}
	wanted.SetGroupVersionKind(r.row.Kind)
	return wanted, force, nil
}
