package history

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Each change is told apart from others as finely as the object allows.
func TestChangesOf(t *testing.T) {
	for name, c := range map[string]struct {
		was, is string
		at      []string
	}{
		"nothing":                 {"{spec: {a: 1}}", "{spec: {a: 1}}", nil},
		"a field":                 {"{spec: {a: 1, b: 2}}", "{spec: {a: 3, b: 2}}", []string{"spec.a"}},
		"a label":                 {"{metadata: {}}", "{metadata: {labels: {app.kubernetes.io/name: web}}}", []string{"metadata.labels[app.kubernetes.io/name]"}},
		"an element":              {"{c: [{name: a, image: x}]}", "{c: [{name: a, image: y}]}", []string{"c[a].image"}},
		"one more element":        {"{c: [{name: a}]}", "{c: [{name: a}, {name: b, image: y}]}", []string{"c[b]"}},
		"another order":           {"{c: [{name: a}, {name: b}]}", "{c: [{name: b}, {name: a}]}", []string{"c"}},
		"a list without names":    {"{args: [a, b]}", "{args: [a, c]}", []string{"args"}},
		"an empty map":            {"{v: {}}", "{v: {emptyDir: {}}}", []string{"v.emptyDir"}},
		"a map instead of a word": {"{v: word}", "{v: {a: b}}", []string{"v"}},
	} {
		t.Run(name, func(t *testing.T) {
			var at []string
			for _, c := range changesOf(parsedObject(t, c.was).Object, parsedObject(t, c.is).Object) {
				at = append(at, c.at.String())
			}
			require.Equal(t, c.at, at)
		})
	}
}

// Whatever a write changed, taking it back leads to what was before it.
func TestTakingBackLeadsToWhatWasBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, is := objects(3).Draw(t, "was"), objects(3).Draw(t, "is")
		require.Equal(t, was, takenBack(is, was, changesOf(was, is)))
	})
}

// objects are maps of few keys, so that two of them have some in common: words, maps, lists of words and of named elements.
func objects(depth int) *rapid.Generator[map[string]any] {
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), values(depth), 0, 3)
}

func values(depth int) *rapid.Generator[any] {
	word := rapid.Map(rapid.SampledFrom([]string{"x", "y"}), func(s string) any { return s })
	if depth == 0 {
		return word
	}
	list := rapid.Map(rapid.SliceOfN(word, 0, 2), func(l []any) any { return l })
	elements := rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"p", "q", "r"}), objects(depth-1), 1, 3), func(m map[string]map[string]any) any {
		var out []any
		for _, name := range []string{"p", "q", "r"} {
			if fields, ok := m[name]; ok {
				fields["name"] = name
				out = append(out, fields)
			}
		}
		return out
	})
	inner := rapid.Map(objects(depth-1), func(m map[string]any) any { return m })
	return rapid.OneOf(word, list, elements, inner)
}
