package history

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// path leads to a field of an object: keys of maps, and the names of elements of lists whose elements have names, with "[" before.
type path []string

// String is the field as people write it: spec.template.spec.containers[web].image.
func (p path) String() string {
	var out strings.Builder
	for i, part := range p {
		switch name, element := strings.CutPrefix(part, "["); {
		case element:
			out.WriteString("[" + name + "]")
		case strings.ContainsAny(part, "./"):
			out.WriteString("[" + part + "]")
		case i > 0:
			out.WriteString("." + part)
		default:
			out.WriteString(part)
		}
	}
	return out.String()
}

// change is what one write did to a field. A field that is not there has the value nil, which no field of an object has.
type change struct {
	at      path
	was, is any
}

// changesOf are the fields that differ, as finely as they can be told apart: maps by their keys, lists by the names of their
// elements where all have one and kept their order. Every other list is one field.
func changesOf(was, is map[string]any) []change { return changesAt(nil, was, is) }

func changesAt(at path, was, is any) []change {
	if equality.Semantic.DeepEqual(was, is) {
		return nil
	}
	before, after, ok := parted(was, is)
	if !ok || len(before)+len(after) == 0 {
		return []change{{at, was, is}}
	}
	var out []change
	for _, key := range keysOf(before, after) {
		field := append(slices.Clone(at), key)
		if whole := before[key] == nil || after[key] == nil; whole && strings.HasPrefix(key, "[") {
			out = append(out, change{field, before[key], after[key]}) // an element comes and goes with its name
			continue
		}
		out = append(out, changesAt(field, before[key], after[key])...)
	}
	return out
}

// parted are two values as maps of their fields; ok is false where one of them can only change as a whole. What is not there has no
// fields.
func parted(was, is any) (before, after map[string]any, ok bool) {
	before, okBefore := mapOf(was)
	after, okAfter := mapOf(is)
	if okBefore && okAfter {
		return before, after, true
	}
	namesBefore, before, okBefore := named(was)
	namesAfter, after, okAfter := named(is)
	return before, after, okBefore && okAfter && sameOrder(namesBefore, namesAfter)
}

func mapOf(value any) (map[string]any, bool) {
	fields, ok := value.(map[string]any)
	return fields, ok || value == nil
}

// named are the elements of a list by their names, each with "[" before; ok is false where not every element has one of its own.
func named(value any) (names []string, elements map[string]any, ok bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, nil, value == nil
	}
	elements = map[string]any{}
	for _, element := range list {
		fields, _ := element.(map[string]any)
		name, ok := fields["name"].(string)
		if _, twice := elements["["+name]; !ok || twice {
			return nil, nil, false
		}
		names = append(names, "["+name)
		elements["["+name] = element
	}
	return names, elements, true
}

// sameOrder says that what both lists have comes in the same order.
func sameOrder(a, b []string) bool {
	common := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !slices.Contains(other, s) })
	}
	return slices.Equal(common(a, b), common(b, a))
}

// fieldAt is the value at the path; nil where there is none.
func fieldAt(object any, at path) any {
	for _, key := range at {
		fields, ok := object.(map[string]any)
		if _, elements, isList := named(object); !ok && isList {
			fields = elements
		}
		object = fields[key]
	}
	return object
}

// withField is the object, of which nothing is changed in place, with another value at the path; nil takes the field away, and with
// it what would be left empty and was not there in was.
func withField(object, was any, at path, value any) any {
	if len(at) == 0 {
		return value
	}
	inner := fieldAt(was, at[:1])
	if list, isList := object.([]any); isList || strings.HasPrefix(at[0], "[") && object == nil {
		return withElement(list, was, at, value)
	}
	fields, _ := object.(map[string]any)
	out := make(map[string]any, len(fields)+1)
	for key, v := range fields {
		out[key] = v
	}
	if v := withField(fields[at[0]], inner, at[1:], value); v != nil {
		out[at[0]] = v
	} else {
		delete(out, at[0])
	}
	if len(out) == 0 && was == nil {
		return nil
	}
	return out
}

// withElement is withField for a list whose elements have names.
func withElement(list []any, was any, at path, value any) any {
	names, elements, _ := named(list)
	v := withField(elements[at[0]], fieldAt(was, at[:1]), at[1:], value)
	i := slices.Index(names, at[0])
	out := slices.Clone(list)
	switch {
	case v == nil && i >= 0:
		out = slices.Delete(out, i, i+1)
	case v != nil && i >= 0:
		out[i] = v
	case v != nil:
		out = slices.Insert(out, placeOf(at[0], names, was), v)
	}
	if len(out) == 0 && was == nil {
		return nil
	}
	return out
}

// placeOf is where an element goes back into a list that has these names: behind the one that came before it in was.
func placeOf(element string, names []string, was any) int {
	order, _, _ := named(was)
	for _, before := range slices.Backward(order[:max(slices.Index(order, element), 0)]) {
		if i := slices.Index(names, before); i >= 0 {
			return i + 1
		}
	}
	return 0
}

// noted says that kubectl keeps the field for itself: what it has applied last.
func (c change) noted() bool {
	return slices.Equal(c.at, path{"metadata", "annotations", corev1.LastAppliedConfigAnnotation})
}

// takenBack is now with every change taken back.
func takenBack(now map[string]any, before map[string]any, changes []change) map[string]any {
	var out any = now
	for _, c := range changes {
		out = withField(out, before, c.at, c.was)
	}
	return out.(map[string]any)
}
