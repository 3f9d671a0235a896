package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What is said of a client's mistakes is bounded in two ways: in size, because a mistake shows the value that it is about, and a
// hundred thousand of them may each show the same megabyte; and in what it shows, because an answer, and whoever logs it, is no
// place for what a Secret holds.

// maxMistakes bounds how many mistakes are told, maxShown how much of each one's value, maxMistakesWork the values that are written
// out to be told at all, before they are cut, and maxTold what a decoder or a merging library says; the last three in bytes.
const (
	maxMistakes     = 1000
	maxShown        = 4 << 10
	maxMistakesWork = 4 << 20
	maxTold         = 64 << 10
)

// invalidObject is 422 with the mistakes, and a line for those that are too many. Of a kind that holds secrets no values are shown.
func invalidObject(kind schema.GroupKind, name string, mistakes field.ErrorList, secret bool) error {
	return apierrors.NewInvalid(kind, name, toldMistakes(mistakes, secret))
}

// toldMistakes are the mistakes as they may be told. It is pure: the list stays as it is.
func toldMistakes(mistakes field.ErrorList, secret bool) field.ErrorList {
	told := make(field.ErrorList, 0, min(len(mistakes), maxMistakes))
	for i, work := 0, 0; i < len(mistakes); i++ {
		if i == maxMistakes || work > maxMistakesWork {
			return append(told, &field.Error{Type: field.ErrorTypeTooMany, Field: mistakes[i].Field, BadValue: field.OmitValueType{},
				Detail: fmt.Sprintf("%d more mistakes are not told", len(mistakes)-i)})
		}
		mistake := *mistakes[i]
		if secret {
			mistake.BadValue = field.OmitValueType{}
			told = append(told, &mistake)
			continue
		}
		size := len(mistake.ErrorBody())
		if work += size; size > maxShown {
			mistake.BadValue = cutValue(mistake.BadValue, maxShown)
			mistake.Detail = cutText(mistake.Detail, maxShown)
		}
		told = append(told, &mistake)
	}
	return told
}

// cutValue is the beginning of a value that is too long to be shown.
func cutValue(value any, most int) any {
	text, ok := value.(string)
	if !ok {
		encoded, err := json.Marshal(value)
		if err != nil {
			return field.OmitValueType{}
		}
		text = string(encoded)
	}
	return cutText(text, most)
}

// cutText is the beginning of a text, and says how much more there was.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes more)", strings.ToValidUTF8(text[:most], ""), len(text)-most)
}

// told is what may be told of why a body of this request can't be read or a patch can't be made: the reason, unless it could quote
// what a Secret holds. A decoder quotes numbers and pieces of YAML, and the merging libraries show whole objects.
func (r *request) told(err error) string {
	if !r.row.Secret {
		return cutText(err.Error(), maxTold)
	}
	if _, names := runtime.AsStrictDecodingError(err); names { // of fields
		return err.Error()
	}
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		kind, _, _ := strings.Cut(wrongType.Value, " ") // "number 1234"
		return fmt.Sprintf("json: cannot unmarshal %s into Go struct field %s.%s of type %s", kind, wrongType.Struct,
			wrongType.Field, wrongType.Type)
	}
	for _, paths := range []error{jsonpatch.ErrTestFailed, jsonpatch.ErrMissing, jsonpatch.ErrInvalidIndex} {
		if errors.Is(err, paths) {
			return err.Error()
		}
	}
	return "what is wrong is not told, because it could quote what the " + r.row.Kind.Kind + " holds"
}
