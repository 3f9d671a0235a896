package builtin

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"minik.dev/api"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/validation"
)

// allTypes is client-go's scheme and minik's own kinds.
func allTypes(t *testing.T) *runtime.Scheme {
	types := runtime.NewScheme()
	require.NoError(t, scheme.AddToScheme(types))
	require.NoError(t, api.AddToScheme(types))
	return types
}

// TestTable holds every row to what the verbs count on.
func TestTable(t *testing.T) {
	types := allTypes(t)
	names := map[string]bool{}
	for _, row := range All() {
		t.Run(row.Plural, func(t *testing.T) {
			kinds, _, err := types.ObjectKinds(row.New())
			require.NoError(t, err)
			require.Contains(t, kinds, row.Kind, "New makes an object of the row's kind")
			if row.NewList != nil || row.Serves("list") {
				kinds, _, err = types.ObjectKinds(row.NewList())
				require.NoError(t, err)
				require.Equal(t, row.Kind.Kind+"List", kinds[0].Kind, "NewList makes its list")
			}

			for _, name := range append([]string{row.Plural, row.Singular()}, row.ShortNames...) {
				if name != row.Plural || row.Singular() != row.Plural { // "endpoints" is its own plural
					require.False(t, names[name], "the name %s is taken", name)
				}
				names[name] = true
			}
			for _, verb := range row.Verbs {
				require.Contains(t, resources.AllVerbs, verb)
			}
			require.True(t, slices.IsSortedFunc(row.Subresources, func(a, b resources.Subresource) int {
				return strings.Compare(a.Name, b.Name)
			}), "discovery lists subresources in order")
			for _, sub := range row.Subresources {
				require.NotEmpty(t, sub.Verbs, "subresource %s", sub.Name)
				if sub.Way != resources.Part {
					require.True(t, sub.Get == nil && sub.Apply == nil && sub.Create == nil, "subresource %s", sub.Name)
					continue
				}
				require.Equal(t, sub.Get != nil, slices.Contains(sub.Verbs, "get"), "subresource %s", sub.Name)
				require.Equal(t, sub.Apply != nil, slices.Contains(sub.Verbs, "update"), "subresource %s", sub.Name)
				require.Equal(t, sub.Apply != nil && sub.Get != nil, slices.Contains(sub.Verbs, "patch"), "subresource %s", sub.Name)
				require.Equal(t, sub.Create != nil, slices.Contains(sub.Verbs, "create"), "subresource %s", sub.Name)
			}
			if row.Indexed.Of != nil {
				require.Equal(t, row.Indexed.Of(row.New()), row.Fields(row.New())[row.Indexed.Field])
				require.Contains(t, row.Fields(row.New()), row.Indexed.Field)
			}
			checkHooks(t, row)
		})
	}
}

// checkHooks calls every hook with an empty object: none may count on a field that is not there.
func checkHooks(t *testing.T, row *resources.Resource) {
	obj := row.New()
	obj.SetName("x")
	if row.Default != nil {
		row.Default(obj)
	}
	if row.Prepare != nil {
		row.Prepare(obj, nil)
	}
	if row.Stamp != nil {
		row.Stamp(obj, nil, resources.Write{})
	}
	copied := obj.DeepCopyObject().(resources.Object)
	require.Equal(t, asJSON(t, obj), asJSON(t, copied))
	copied.SetLabels(map[string]string{"changed": "yes"})
	require.NotEqual(t, "yes", obj.GetLabels()["changed"], "a copy shares nothing")

	if row.Validate != nil {
		row.Validate(obj, nil)
		row.Validate(obj, copied)
	}
	resources.ValidateMeta(row, obj, nil)
	if row.Warn != nil {
		row.Warn(obj, nil)
		row.Warn(obj, copied)
	}
	require.Equal(t, row.Claims == nil, row.Taken == nil, "a claim that is taken is refused in the row's words")
	if row.Claims != nil {
		row.Claims(obj)
	}
	if row.Answer != nil || row.StandsFor != "" {
		require.Equal(t, []string{"create"}, row.Verbs)
		require.Nil(t, row.NewList)
		return
	}
	require.NotEmpty(t, row.Columns)
	cells := row.Cells(obj, scenarioTime)
	require.Len(t, cells, len(row.Columns), "one cell a column")
	for i, cell := range cells {
		switch cell.(type) {
		case string, int64, bool:
		default:
			require.Failf(t, "a cell is a string, an int64 or a bool", "%s is a %T", row.Columns[i].Name, cell)
		}
		if row.Plural != "runtimeclasses" { // upstream's handler has none
			require.NotEmpty(t, row.Columns[i].Description, row.Columns[i].Name)
		}
	}
	named := slices.ContainsFunc(row.Columns, func(c metav1.TableColumnDefinition) bool { return c.Format == "name" })
	require.True(t, named || row.Plural == "storageversionmigrations", "one column is the name") // upstream's has no format there
	for _, sub := range row.Subresources {
		if sub.Get != nil {
			_, err := sub.Get(obj)
			require.NoError(t, err, sub.Name)
		}
	}
	for _, served := range row.Served {
		require.Equal(t, asJSON(t, obj), asJSON(t, withoutKind(served.To(served.From(obj)))))
	}
	_, err := meta.ListAccessor(row.NewList())
	require.NoError(t, err)
}

func withoutKind(obj resources.Object) resources.Object {
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return obj
}

// TestAllIsFresh: callers may change the table they got.
func TestAllIsFresh(t *testing.T) {
	All()[0].Plural = "changed"
	require.NotEqual(t, "changed", All()[0].Plural)
}

// TestDefaultIsIdempotent takes the objects of the scenarios and cuts random pieces off them. Whatever is left is
// either no object at all, or one that Default completes once and for all, and that no other hook stumbles over.
func TestDefaultIsIdempotent(t *testing.T) {
	inputs := scenarioInputs(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(inputs).Draw(t, "scenario")
		var tree map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &tree))
		prune(t, tree)
		pruned, err := json.Marshal(tree)
		require.NoError(t, err)

		row, _ := decode(t, []byte(text))
		obj := row.New()
		if json.Unmarshal(pruned, obj) != nil {
			t.Skip("what is left is no object")
		}
		prepare(row, obj, nil)
		row.Complete(obj)
		once := asJSON(t, obj)
		if row.Default != nil {
			row.Default(obj)
		}
		require.Equal(t, once, asJSON(t, obj), "Default changed what it had defaulted")
		if row.Validate != nil {
			row.Validate(obj, nil)
		}
		if row.Warn != nil {
			row.Warn(obj, nil)
		}
		row.Cells(obj, scenarioTime)
		require.Equal(t, once, asJSON(t, obj), "a hook that only looks changed the object")
	})
}

// prune drops about one in eight of the values below the top.
func prune(t *rapid.T, node any) {
	switch node := node.(type) {
	case map[string]any:
		for _, key := range validation.SortedKeys(node) {
			if key != "kind" && key != "apiVersion" && rapid.IntRange(0, 7).Draw(t, key) == 0 {
				delete(node, key)
				continue
			}
			prune(t, node[key])
		}
	case []any:
		for _, item := range node {
			prune(t, item)
		}
	}
}

// scenarioInputs are all objects of the scenario files.
func scenarioInputs(t *testing.T) []string {
	var inputs []string
	files, err := filepath.Glob(scenarioFiles)
	require.NoError(t, err)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		for _, f := range archive.Files {
			if f.Name == "input" || f.Name == "stored" {
				inputs = append(inputs, string(f.Data))
			}
		}
	}
	return inputs
}
