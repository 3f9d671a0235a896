package why

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"minik.dev/controllers"
)

// controllersAnswer is what an object's controllers would do about it.
type controllersAnswer struct {
	object   *unstructured.Unstructured
	opinions []controllers.Opinion
}

// MarshalJSON is the controllers' opinions.
func (a *controllersAnswer) MarshalJSON() ([]byte, error) { return json.Marshal(a.opinions) }

// Text says what is wanted, what is, and what each controller would do about the difference.
func (a *controllersAnswer) Text(bool, int) string {
	out := &strings.Builder{} // writes to memory do not fail
	_, _ = fmt.Fprintf(out, "wanted    %s\nobserved  %s\n", wantedLine(a.object), observedLine(a.object))
	for _, o := range a.opinions {
		_, _ = fmt.Fprintln(out, o.Controller)
		for _, line := range intentLines(o.Intents) {
			_, _ = fmt.Fprintf(out, "  %s\n", line)
		}
		switch {
		case o.Failure != "":
			_, _ = fmt.Fprintf(out, "  comes no further: %s\n", o.Failure)
		case len(o.Intents) == 0:
			_, _ = fmt.Fprintln(out, "  nothing is to be done")
		}
		if o.Again.Duration > 0 {
			_, _ = fmt.Fprintf(out, "  looks again in %s\n", o.Again.Duration)
		}
	}
	return out.String()
}

// intentLines are the writes, with equal ones counted.
func intentLines(intents []controllers.Intent) []string {
	var lines []string
	counts := map[string]int{}
	for _, i := range intents {
		object := i.Resource
		if i.Name != "" {
			object += "/" + i.Name
		}
		if i.Subresource != "" {
			object += "/" + i.Subresource
		}
		line := i.Verb + " " + object
		if i.Reason != "" {
			line += ": " + i.Reason
		}
		if counts[line]++; counts[line] == 1 {
			lines = append(lines, line)
		}
	}
	for n, line := range lines {
		if counts[line] > 1 {
			lines[n] = fmt.Sprintf("%d times %s", counts[line], line)
		}
	}
	return lines
}

// wantedLine says in short what the spec asks for: its numbers, texts and truths.
func wantedLine(u *unstructured.Unstructured) string {
	var parts []string
	if at := u.GetDeletionTimestamp(); at != nil {
		parts = append(parts, "to be deleted since "+at.UTC().Format("15:04:05"))
	}
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	return line(append(parts, scalars(spec)...))
}

// observedLine says in short what the status reports, with its conditions.
func observedLine(u *unstructured.Unstructured) string {
	status, _, _ := unstructured.NestedMap(u.Object, "status")
	parts := scalars(status)
	conditions, _, _ := unstructured.NestedSlice(status, "conditions")
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		parts = append(parts, fmt.Sprintf("%v is %v (%v)", condition["type"], condition["status"], condition["reason"]))
	}
	return line(parts)
}

// scalars are the fields that are no lists and no maps.
func scalars(fields map[string]any) []string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch value := fields[key].(type) {
		case map[string]any, []any, nil:
		default:
			parts = append(parts, fmt.Sprintf("%s %v", key, value))
		}
	}
	return parts
}

func line(parts []string) string {
	if len(parts) == 0 {
		return "nothing special"
	}
	return strings.Join(parts, ", ")
}
