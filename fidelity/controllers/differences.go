package controllers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// difference is one that two states have, with what varies from object to object taken out, so that those of one reason are one.
type difference struct{ where, upstream, minik string }

// String is the line of the difference, as it stands in known.txt.
func (d difference) String() string {
	return fmt.Sprintf("%s: upstream %s, minik %s", d.where, d.upstream, d.minik)
}

// found counts differences, and keeps where each was seen first.
type found struct {
	states, differing int
	count             map[difference]int
	example           map[difference]string
	compared          map[string]int    // objects, by kind
	explained         map[string]string // differences that are none, with the reason
}

func newFound(explained map[string]string) *found {
	return &found{count: map[difference]int{}, example: map[difference]string{}, compared: map[string]int{}, explained: explained}
}

// compare compares the states one by one, until the histories part: after that all may be different.
func (f *found) compare(seed int64, up, mi []state) {
	for i := range min(len(up), len(mi)) {
		f.states++
		for name := range up[i].objects {
			f.compared[strings.Split(name, " ")[0]]++
		}
		if f.compareStates(up[i], mi[i], fmt.Sprintf("seed %d, step %d (%s)", seed, i+1, strings.Join(up[i].did, "; "))) {
			f.differing++
			return
		}
	}
}

// add adds what was found in another history.
func (f *found) add(other *found) {
	f.states += other.states
	f.differing += other.differing
	for kind, n := range other.compared {
		f.compared[kind] += n
	}
	for d, n := range other.count {
		if f.count[d] == 0 {
			f.example[d] = other.example[d]
		}
		f.count[d] += n
	}
}

func (f *found) compareStates(up, mi state, where string) bool {
	all := map[string]bool{}
	for _, objects := range []map[string]any{up.objects, mi.objects} {
		for name := range objects {
			all[name] = true
		}
	}
	differs := false
	for _, name := range slices.Sorted(maps.Keys(all)) {
		kind, object, _ := strings.Cut(name, " ")
		walk(kind, up.objects[name], mi.objects[name], func(path, u, m string) {
			d := difference{path, general(u), general(m)}
			if f.explained[d.String()] != "" {
				return
			}
			differs = true
			if f.count[d]++; f.count[d] == 1 {
				f.example[d] = fmt.Sprintf("%s, %s: %s / %s", where, object, u, m)
			}
		})
	}
	return differs
}

// walk finds the places where two trees differ.
func walk(path string, u, m any, add func(path, u, m string)) {
	um, uok := u.(map[string]any)
	mm, mok := m.(map[string]any)
	if uok && mok {
		for _, key := range slices.Sorted(maps.Keys(union(um, mm))) {
			walk(path+"."+key, um[key], mm[key], add)
		}
		return
	}
	ul, uok := u.([]any)
	ml, mok := m.([]any)
	if uok && mok && len(ul) == len(ml) {
		for i := range ul {
			walk(path+"[]", ul[i], ml[i], add)
		}
		return
	}
	if us, ms := text(u), text(m); us != ms {
		add(path, us, ms)
	}
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func text(v any) string {
	if v == nil {
		return "nothing"
	}
	t, err := json.Marshal(v)
	must(err)
	return string(t)
}

func tree(obj runtime.Object) map[string]any {
	var out map[string]any
	t, err := json.Marshal(obj)
	must(err)
	must(json.Unmarshal(t, &out))
	return out
}

var (
	times   = regexp.MustCompile(`\d+-\d+-\d+T\d+:\d+:\d+Z`)
	hashes  = regexp.MustCompile(`(web|db)(-[a-z0-9]+)*`)
	numbers = regexp.MustCompile(`\d+`)
)

// general is what was said, for every value.
func general(text string) string {
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return numbers.ReplaceAllString(hashes.ReplaceAllString(times.ReplaceAllString(text, "T"), "X"), "N")
}

// ordered are the differences, the most frequent first.
func (f *found) ordered() []difference {
	return slices.SortedFunc(maps.Keys(f.count), func(a, b difference) int {
		return cmp.Or(cmp.Compare(f.count[b], f.count[a]), strings.Compare(a.String(), b.String()))
	})
}
