package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
)

// A body is bounded by maxBody, and most of what is done with it grows with its length. What grows faster is bounded here, before it
// is begun, because a library that has begun cannot be told to stop: the sets in which the owners of fields are kept, the numbers of
// quantities, lists that a strategic merge patch merges item by item, and documents that are written anew at each of their levels.
// Each bound lies far above what an object that can be stored needs.

// maxMembers bounds the items of one list, the keys of one map, and the fields that one manager says it owns: the sets of fields, and
// some checks of lists, take a time that grows with the square of it.
const maxMembers = 30_000

// maxQuantity bounds the characters of a number, in kinds that have quantities: reading one takes a time that grows with the square
// of its digits, and one of 3 MiB would take an hour.
const maxQuantity = 4096

// maxMergeWork bounds the comparisons of items that a strategic merge patch may need.
const maxMergeWork = 4_000_000

// maxNestedWork bounds the bytes that a JSON or merge patch makes the library read or write: all of the document for each level of
// nesting. copiesAtOnce is how many copies are made before it is looked how large and how deep the document has become.
const (
	maxNestedWork = 256 << 20
	copiesAtOnce  = 8
)

func tooMuch(format string, args ...any) error {
	return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf(format, args...))
}

// boundMembers refuses a value in which a list or a map has more members than maxMembers. size is that of the body, in bytes: a
// short one is not looked through, each member needs two of them.
func boundMembers(size int, value any) error {
	if size < 2*maxMembers {
		return nil
	}
	if n := mostMembers(reflect.ValueOf(value)); n > maxMembers {
		return tooMuch("the object has a list or a map with %d members; %d is the most there may be", n, maxMembers)
	}
	return nil
}

// mostMembers is the length of the longest list or map in a value; bytes are no list.
func mostMembers(v reflect.Value) int {
	most := 0
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			most = mostMembers(v.Elem())
		}
	case reflect.Struct:
		if fields, ok := v.Interface().(metav1.FieldsV1); ok { // they are JSON that was not read yet
			return bytes.Count(fields.Raw, []byte(",")) + 1
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				most = max(most, mostMembers(v.Field(i)))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return 0
		}
		most = v.Len()
		for i := range v.Len() {
			most = max(most, mostMembers(v.Index(i)))
		}
	case reflect.Map:
		most = v.Len()
		for i := v.MapRange(); i.Next(); {
			most = max(most, mostMembers(i.Value()))
		}
	}
	return most
}

// boundQuantities refuses a body that has a longer number than maxQuantity, quoted or not, where the kind has quantities.
func boundQuantities(contentType string, body []byte, into runtime.Object) error {
	if len(body) <= maxQuantity || !holdsQuantity(reflect.TypeOf(into)) {
		return nil
	}
	long := false
	switch contentType {
	case mediaProto: // strings are as they are
		long = longestNumber(body) > maxQuantity
	case mediaYAML:
		document, err := yaml.YAMLToJSON(body)
		long = err == nil && hasLongNumber(document) // what can't be read is refused by who reads it
	default:
		long = hasLongNumber(body)
	}
	if long {
		return apierrors.NewBadRequest(fmt.Sprintf("the body has a number of more than %d characters: no quantity may be as long",
			maxQuantity))
	}
	return nil
}

// hasLongNumber looks for a number, quoted or not, of more than maxQuantity characters in a JSON document. Where no two quotes are
// so far apart there is none, which is quickly seen.
func hasLongNumber(document []byte) bool {
	if longestBetween(document, '"') <= maxQuantity {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil { // the end, or what is refused by who reads it; a number before it was read
			return false
		}
		text := ""
		switch t := token.(type) {
		case string:
			text = t
		case json.Number:
			text = t.String()
		}
		if len(text) > maxQuantity && longestNumber([]byte(text)) > maxQuantity {
			return true
		}
	}
}

// longestBetween is the length of the longest piece of the text without the byte.
func longestBetween(text []byte, border byte) int {
	longest := 0
	for {
		i := bytes.IndexByte(text, border)
		if i < 0 {
			return max(longest, len(text))
		}
		longest, text = max(longest, i), text[i+1:]
	}
}

// longestNumber is the length of the longest piece that consists of what numbers consist of.
func longestNumber(text []byte) int {
	longest, run := 0, 0
	for _, c := range text {
		if c >= '0' && c <= '9' || c == '.' || c == '+' || c == '-' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// quantities remembers of each type that was met whether there is a quantity in it.
var quantities sync.Map

func holdsQuantity(t reflect.Type) bool {
	if known, ok := quantities.Load(t); ok {
		return known.(bool)
	}
	holds := findQuantity(t, map[reflect.Type]bool{})
	quantities.Store(t, holds)
	return holds
}

func findQuantity(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == reflect.TypeFor[resource.Quantity]() {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return findQuantity(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if findQuantity(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// boundMerge refuses a strategic merge patch that would compare more items than maxMergeWork. Each item of a list that is merged is
// looked for among those that are there and those that came before it.
func boundMerge(patch, before []byte, shape runtime.Object) error {
	// A list of n items has n-1 commas, so most patches need not be looked through.
	if items := bytes.Count(patch, []byte(",")) + 1; items*(items+bytes.Count(before, []byte(","))+1) <= maxMergeWork {
		return nil
	}
	var wanted, there map[string]any
	if json.Unmarshal(patch, &wanted) != nil || json.Unmarshal(before, &there) != nil {
		return nil // it is refused by who reads it
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(shape)
	if err != nil {
		return fmt.Errorf("looking up how a %T is merged: %w", shape, err)
	}
	if work := mergeWork(wanted, meta, listsOf(there, &lists{})); work > maxMergeWork {
		return tooMuch("the strategic merge patch merges lists that are too long: it needs up to %d comparisons of items, and %d are "+
			"the most there may be; a merge patch (application/merge-patch+json) replaces a list as it is", work, maxMergeWork)
	}
	return nil
}

// lists is how long the lists of an object are, by the names of its fields. What is below the items of a list is taken together.
type lists struct {
	longest int
	below   map[string]*lists
}

// at is what is below the field; nil where there is nothing.
func (l *lists) at(field string) *lists {
	if l == nil {
		return nil
	}
	return l.below[field]
}

// listsOf adds the lists of a value to what is known.
func listsOf(value any, l *lists) *lists {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if l.below == nil {
				l.below = map[string]*lists{}
			}
			if l.below[key] == nil {
				l.below[key] = &lists{}
			}
			listsOf(inner, l.below[key])
		}
	case []any:
		l.longest = max(l.longest, len(v))
		for _, item := range v {
			listsOf(item, l)
		}
	}
	return l
}

// mergeWork is how many comparisons the lists of a patch need at most. A list that the object does not have yet is taken as it is.
// Of what is in no schema every list counts.
func mergeWork(patch map[string]any, meta strategicpatch.LookupPatchMeta, there *lists) int {
	work := 0
	for key, value := range patch {
		field := key
		if directive, of, ok := strings.Cut(key, "/"); ok && strings.HasPrefix(directive, "$") {
			field = of
		}
		switch v := value.(type) {
		case map[string]any:
			var below strategicpatch.LookupPatchMeta
			if meta != nil {
				below, _, _ = meta.LookupPatchMetadataForStruct(key)
			}
			work += mergeWork(v, known(below), there.at(key))
		case []any:
			var below strategicpatch.LookupPatchMeta
			merged := there.at(field) != nil && there.at(field).longest > 0
			if meta != nil && merged {
				items, how, err := meta.LookupPatchMetadataForSlice(field)
				below, merged = items, err != nil || slices.Contains(how.GetPatchStrategies(), "merge")
			}
			if merged {
				work += len(v) * (len(v) + there.at(field).longest)
			}
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					work += mergeWork(m, known(below), there.at(field))
				}
			}
		}
	}
	return work
}

// known is nil for metadata of nothing: the library returns such without saying so.
func known(meta strategicpatch.LookupPatchMeta) strategicpatch.LookupPatchMeta {
	if at, ok := meta.(strategicpatch.PatchMetaFromStruct); !ok || at.T == nil {
		return nil
	}
	return meta
}

// boundNesting refuses a patch that makes the library write a document of that size and depth at each of its levels.
func boundNesting(depth, size int) error {
	if work := depth * size; work > maxNestedWork {
		return tooMuch("the patch nests too deep: %d levels of %d bytes; levels times bytes may be %d at most", depth, size, maxNestedWork)
	}
	return nil
}

// nesting is how deep a JSON document goes.
func nesting(document []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(document); i++ {
		switch c := document[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}
