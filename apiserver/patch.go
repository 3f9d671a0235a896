package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	goruntime "runtime"
	"strings"
	"sync"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"

	"minik.dev/apiserver/resources"
)

// patch changes the addressed object, or a part of it, as the body describes.
func (s *Server) patch(r *request) error {
	spoken := []string{string(types.JSONPatchType), string(types.MergePatchType)}
	if r.part() || !r.row.Unstructured() { // a strategic merge needs to know a Go type's fields
		spoken = append(spoken, string(types.StrategicMergePatchType))
	}
	kind, err := bodyType(r.Request, append(spoken, string(types.ApplyYAMLPatchType))...)
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
	if r.part() {
		part, err := r.sub.Get(current)
		if err != nil {
			return nil, err
		}
		shown, empty = part, r.sub.New()
	}
	twice, err := decodePatch(kind, patch)
	if err != nil {
		return nil, r.refusedPatch(err)
	}
	before, err := json.Marshal(shown)
	if err != nil {
		return nil, fmt.Errorf("encoding the object to be patched: %w", err)
	}
	after, err := applyPatch(r.Context(), kind, patch, before, empty)
	if err != nil {
		return nil, r.refusedPatch(err)
	}
	body, err := s.decode(r, mediaJSON, after, r.document(), empty, twice...)
	if err != nil {
		return nil, r.invalidPatch(kind, patch, after, err)
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

// operation is one of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	From  string `json:"from"`
	Value any    `json:"value"`
}

// decodePatch reads a patch, and returns a line for each mistake in it of which the patched object tells nothing any more:
// fields that a piece of an object has twice (its unknown ones are found later), and what is no part of an operation.
func decodePatch(kind types.PatchType, patch []byte) (twice []error, err error) {
	if kind == types.JSONPatchType {
		var operations []operation
		twice, err = kjson.UnmarshalStrict(patch, &operations)
		if err != nil {
			return nil, badPatch("error decoding patch: %w", err)
		}
		for i, mistake := range twice {
			twice[i] = fmt.Errorf("json patch %w", mistake)
		}
		return twice, boundMembers(len(patch), operations)
	}
	pieces := map[string]any{}
	twice, err = kjson.UnmarshalStrict(patch, &pieces, kjson.DisallowDuplicateFields)
	if err != nil {
		return nil, badPatch("error decoding patch: %w", err)
	}
	return twice, boundMembers(len(patch), pieces)
}

// invalidPatch words, as upstream does, that what the patch makes of the object is none of its kind: for a strategic merge
// patch it shows the patch, else what came of it.
func (r *request) invalidPatch(kind types.PatchType, patch, after []byte, err error) error {
	var unreadable *unreadableError
	if !errors.As(err, &unreadable) {
		return err
	}
	shown := string(after)
	if kind == types.StrategicMergePatchType {
		pieces := map[string]any{}
		_ = json.Unmarshal(patch, &pieces) // it has been read before
		shown = fmt.Sprintf("%+v", pieces)
	}
	return invalidObject(schema.GroupKind{}, "", field.ErrorList{
		field.Invalid(field.NewPath("patch"), shown, unreadable.cause)}, r.row.Secret)
}

// boundCopies keeps a patch of a few copy operations from doubling a document over and over. The library has but one
// setting for the whole process.
var boundCopies = sync.OnceFunc(func() { jsonpatch.AccumulatedCopySizeLimit = maxBody })

// applyPatch is the pure part: one document and one patch make another document.
func applyPatch(ctx context.Context, kind types.PatchType, patch, before []byte, shape runtime.Object) (after []byte, err error) {
	// The libraries take for granted that what a patch says to them is of the type that it should be: a list of lists in
	// $retainKeys is a panic of theirs. It is the patch that is wrong.
	defer func() {
		var wrong goruntime.Error
		if p := recover(); p != nil {
			if e, ok := p.(error); !ok || !errors.As(e, &wrong) {
				panic(p)
			}
			after, err = nil, badPatch("the patch can't be applied: something in it is of a wrong type: %w", wrong)
		}
	}()
	switch kind {
	case types.JSONPatchType:
		boundCopies()
		operations, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			return nil, badPatch("%w", err)
		}
		if len(operations) > 10_000 {
			return nil, apierrors.NewRequestEntityTooLargeError(
				fmt.Sprintf("The allowed maximum operations in a JSON patch is 10000, got %d", len(operations)))
		}
		return applyOperations(ctx, operations, before)
	case types.MergePatchType:
		if err := boundNesting(nesting(patch), len(patch)+len(before)); err != nil {
			return nil, err
		}
		after, err := jsonpatch.MergePatch(before, patch)
		if err != nil {
			return nil, badPatch("%w", err)
		}
		return after, nil
	default:
		if err := boundMerge(patch, before, shape); err != nil {
			return nil, err
		}
		after, err := strategicpatch.StrategicMergePatch(before, patch, shape)
		switch {
		case errors.Is(err, mergepatch.ErrNoListOfLists), errors.Is(err, mergepatch.ErrPatchContentNotMatchRetainKeys):
			return nil, &patchError{http.StatusUnprocessableEntity, err}
		case err != nil:
			return nil, badPatch("%w", err)
		}
		return after, nil
	}
}

// applyOperations applies a JSON patch some operations at a time: a copy may double the document, and its depth, so it is looked at
// after some of them. ctx may end between them.
func applyOperations(ctx context.Context, operations jsonpatch.Patch, document []byte) ([]byte, error) {
	for len(operations) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, copies, longest, below, size := 0, 0, 0, 0, len(document)
		for n < len(operations) && copies < copiesAtOnce {
			operation := operations[n]
			path, _ := operation.Path() // one without a path is refused by who applies it
			segments := strings.Count(path, "/")
			longest = max(longest, segments)
			if raw := operation["value"]; raw != nil {
				below = max(below, nesting(*raw))
				size += len(*raw)
			}
			if kind := operation.Kind(); kind == "copy" || kind == "move" {
				copies++
				longest += segments
				size = min(2*size, len(document)+maxBody)
			}
			n++
		}
		if err := boundNesting(nesting(document)+longest+below, size); err != nil {
			return nil, err
		}
		after, err := operations[:n].Apply(document)
		if err != nil {
			return nil, &patchError{http.StatusUnprocessableEntity, err}
		}
		if len(after) > len(document) && len(after) > 2*maxBody {
			return nil, tooMuch("the patch makes an object of %d bytes", len(after))
		}
		document, operations = after, operations[n:]
	}
	return document, nil
}

// patchError says that a patch can't be read, or can't be applied to the object.
type patchError struct {
	code  int // 400, or 422 where the patch can be read
	cause error
}

func badPatch(format string, args ...any) error {
	return &patchError{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

func (e *patchError) Error() string { return e.cause.Error() }
func (e *patchError) Unwrap() error { return e.cause }

// refusedPatch is the Status for a patch that is refused.
func (r *request) refusedPatch(err error) error {
	var refused *patchError
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.code == http.StatusBadRequest:
		return apierrors.NewBadRequest(r.told(refused))
	}
	e := apierrors.NewGenericServerResponse(refused.code, "", schema.GroupResource{}, "", r.told(refused), 0, false)
	e.ErrStatus.Message = "the server rejected our request due to an error in our request: " + r.told(refused)
	return e
}
