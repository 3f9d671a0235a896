package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	goruntime "runtime"
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
	after, err := applyPatch(kind, patch, before, empty)
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
		twice, err = kjson.UnmarshalStrict(patch, &[]operation{})
		if err != nil {
			return nil, badPatch("error decoding patch: %w", err)
		}
		for i, mistake := range twice {
			twice[i] = fmt.Errorf("json patch %w", mistake)
		}
		return twice, nil
	}
	twice, err = kjson.UnmarshalStrict(patch, &map[string]any{}, kjson.DisallowDuplicateFields)
	if err != nil {
		return nil, badPatch("error decoding patch: %w", err)
	}
	return twice, nil
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
func applyPatch(kind types.PatchType, patch, before []byte, shape runtime.Object) (after []byte, err error) {
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
		after, err := operations.Apply(before)
		if err != nil {
			return nil, &patchError{http.StatusUnprocessableEntity, err}
		}
		return after, nil
	case types.MergePatchType:
		after, err := jsonpatch.MergePatch(before, patch)
		if err != nil {
			return nil, badPatch("%w", err)
		}
		return after, nil
	default:
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
