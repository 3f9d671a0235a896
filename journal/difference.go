package journal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Change is one field that differs between two states of an object. Before or After is nil where the field is not there.
type Change struct {
	Path          string
	Before, After any
}

// unseen are the fields that change with every write, or repeat what another field says.
var unseen = []string{"metadata.managedFields", "metadata.resourceVersion", "metadata.generation"}

// times are the last parts of the paths of fields that say when something else changed, or up to where it was seen.
var times = []string{
	"lastTransitionTime", "lastUpdateTime", "lastHeartbeatTime", "lastProbeTime", "observedGeneration", "lastTimestamp",
}

// The ranks of changes: those that go with another change are named only where there is none of a lower rank.
const (
	telling = iota
	told    // a message, and the reason of a condition whose status changed too
	timed
)

// Difference is what differs between two states of one object: what is wanted first and what is observed last, and of each
// what lies near the top first. The states are JSON as encoding/json reads it.
func Difference(before, after map[string]any) []Change {
	var all, chosen []Change
	compare("", before, after, &all)
	changed := map[string]bool{}
	for _, c := range all {
		changed[c.Path] = true
	}
	rankOf := func(path string) int {
		end := strings.LastIndexByte(path, '.') + 1
		switch last := path[end:]; {
		case slices.Contains(times, last):
			return timed
		case last == "message", last == "reason" && changed[path[:end]+"status"]:
			return told
		}
		return telling
	}
	least := timed
	for _, c := range all {
		least = min(least, rankOf(c.Path))
	}
	for _, c := range all {
		if rankOf(c.Path) == least {
			chosen = append(chosen, c)
		}
	}
	sort.SliceStable(chosen, func(i, j int) bool {
		a, b := chosen[i].Path, chosen[j].Path
		return cmp.Or(place(a)-place(b), depth(a)-depth(b), strings.Compare(a, b)) < 0
	})
	return chosen
}

// place puts what is wanted before the rest, and what is observed behind it.
func place(path string) int {
	top, _, _ := strings.Cut(path, ".")
	switch top {
	case "spec":
		return 0
	case "status":
		return 2
	}
	return 1
}

func depth(path string) int { return strings.Count(path, ".") + strings.Count(path, "[") }

func compare(path string, before, after any, out *[]Change) {
	if slices.Contains(unseen, path) {
		return
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			compareMaps(path, b, a, out)
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			compareLists(path, b, a, out)
			return
		}
	}
	if !same(before, after) {
		*out = append(*out, Change{Path: path, Before: before, After: after})
	}
}

func compareMaps(path string, before, after map[string]any, out *[]Change) {
	keys := map[string]bool{}
	for k := range before {
		keys[k] = true
	}
	for k := range after {
		keys[k] = true
	}
	for _, k := range sorted(keys) {
		below := k
		if path != "" {
			below = path + "." + k
		}
		compare(below, before[k], after[k], out)
	}
}

// compareLists compares items by what tells them apart, where something does, and by their places otherwise.
func compareLists(path string, before, after []any, out *[]Change) {
	b, keyed := byKey(before)
	a, alsoKeyed := byKey(after)
	if keyed && alsoKeyed {
		keys := map[string]bool{}
		for k := range b {
			keys[k] = true
		}
		for k := range a {
			keys[k] = true
		}
		for _, k := range sorted(keys) {
			compare(path+"["+k+"]", b[k], a[k], out)
		}
		return
	}
	for i := range max(len(before), len(after)) {
		var x, y any
		if i < len(before) {
			x = before[i]
		}
		if i < len(after) {
			y = after[i]
		}
		compare(fmt.Sprintf("%s[%d]", path, i), x, y, out)
	}
}

// byKey finds the items by their name, type, uid or ip: the first of these that all of them have, each another.
func byKey(items []any) (map[string]any, bool) {
	for _, field := range []string{"name", "type", "uid", "ip"} {
		found := map[string]any{}
		for _, item := range items {
			m, _ := item.(map[string]any)
			if key, ok := m[field].(string); ok {
				found[key] = item
			}
		}
		if len(found) == len(items) {
			return found, true
		}
	}
	return nil, false
}

func sorted(keys map[string]bool) []string {
	out := make([]string, 0, len(keys))
	for k := range keys {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// maxValue bounds a value in a line, in runes.
const maxValue = 32

// String is the change in words: "spec.replicas 3 → 5", "+spec.nodeName node-2", "-metadata.labels.app web".
func (c Change) String() string {
	switch {
	case c.Before == nil:
		return "+" + c.Path + whole(c.After)
	case c.After == nil:
		return "-" + c.Path + whole(c.Before)
	}
	return c.Path + " " + short(c.Before) + " → " + short(c.After)
}

// whole is what came or went as a whole. Of a condition, which has a type and a status, it is the status.
func whole(v any) string {
	m, _ := v.(map[string]any)
	if status, ok := m["status"].(string); ok && m["type"] != nil {
		return ".status " + short(status)
	}
	return " " + short(v)
}

// short is a value in a few characters.
func short(v any) string {
	var text string
	switch v := v.(type) {
	case string:
		text = v
		if v == "" || strings.ContainsAny(v, " \n;") {
			text = fmt.Sprintf("%q", v)
		}
	case map[string]any:
		return fmt.Sprintf("{%s}", strings.Join(names(v), ","))
	case []any:
		return fmt.Sprintf("[%d]", len(v))
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		text = string(b)
	}
	if r := []rune(text); len(r) > maxValue {
		return string(r[:maxValue-1]) + "…"
	}
	return text
}

// names are the first keys of a map.
func names(m map[string]any) []string {
	keys := map[string]bool{}
	for k := range m {
		keys[k] = true
	}
	out := sorted(keys)
	if len(out) > 3 {
		return append(out[:3:3], "…")
	}
	return out
}

// Line is the changes in one line: the first few, and how many more there are.
func Line(changes []Change, most int) string {
	var parts []string
	for i, c := range changes {
		if i == most && len(changes) > most {
			parts = append(parts, fmt.Sprintf("%d more", len(changes)-most))
			break
		}
		parts = append(parts, c.String())
	}
	return strings.Join(parts, "; ")
}
