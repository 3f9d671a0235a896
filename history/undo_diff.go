package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// keysOf are the keys of both maps, in order.
func keysOf(a, b map[string]any) []string {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]any{}
	}
	maps.Copy(both, b)
	return slices.Sorted(maps.Keys(both))
}

// diffObjects shows in YAML what separates two objects; nil is none.
func diffObjects(from, to *unstructured.Unstructured) (string, error) {
	var texts [2][]byte
	for i, u := range []*unstructured.Unstructured{from, to} {
		if u == nil {
			continue
		}
		shown := intended(u)
		if other := []*unstructured.Unstructured{to, from}[i]; u.GetKind() == "Secret" {
			mask(shown, other, []string{"before", "after"}[i])
		}
		text, err := yaml.Marshal(shown)
		if err != nil {
			return "", fmt.Errorf("writing %s as YAML: %w", u.GetName(), err)
		}
		texts[i] = text
	}
	return withoutHeads(diff.Diff("before", texts[0], "after", texts[1])), nil
}

// mask hides the values of a Secret, and shows which of them differ from the other state's. kubectl's note of what was applied
// repeats them, and is left out.
func mask(secret map[string]any, other *unstructured.Unstructured, when string) {
	unstructured.RemoveNestedField(secret, "metadata", "annotations", corev1.LastAppliedConfigAnnotation)
	for _, field := range []string{"data", "stringData"} {
		values, ok := secret[field].(map[string]any)
		if !ok {
			continue
		}
		var others map[string]any
		if other != nil {
			others, _ = other.Object[field].(map[string]any)
		}
		for key, value := range values {
			if values[key] = "***"; others[key] != value {
				values[key] = "*** (" + when + ")"
			}
		}
	}
}

// withoutHeads leaves the lines of a unified diff: what it compares has been said, and a line number says nothing here.
func withoutHeads(unified []byte) string {
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(string(unified), "\n"), "\n") {
		switch {
		case i < 3: // "diff …", "--- …", "+++ …"
		case strings.HasPrefix(line, "@@ "):
			out.WriteString(" …\n")
		default:
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}
