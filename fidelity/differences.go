package fidelity

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// sort is what a difference is about.
type sort string

const (
	defaults sort = "default" // a field of the object that is stored
	mistake  sort = "error"
	shows    sort = "value" // that the same mistake shows of the object
	warns    sort = "warning"
	broken   sort = "broken" // one of the two says nothing at all
	column   sort = "column"
)

// difference is one that two verdicts have, with what varies from object to object taken out, so that those of one reason are one.
type difference struct {
	kind            string
	sort            sort
	where           string // the field, [*] for every index and key
	upstream, minik string
}

// String is the line of the difference, as it stands in known.txt.
func (d difference) String() string {
	return fmt.Sprintf("%s %s %s: upstream %s, minik %s", d.kind, d.sort, d.where, d.upstream, d.minik)
}

// found counts differences, and keeps an example of each.
type found struct {
	cases, differing int
	judged           int // of which both sides said something
	count            map[difference]int
	example          map[difference]example
}

type example struct {
	text string
	write
}

func newFound() *found {
	return &found{count: map[difference]int{}, example: map[difference]example{}}
}

func (f *found) add(d difference, e example) {
	if f.count[d]++; f.count[d] == 1 {
		f.example[d] = e
	}
}

// ordered are the differences of the sorts, the most frequent first.
func (f *found) ordered(sorts ...sort) []difference {
	all := slices.DeleteFunc(slices.Collect(maps.Keys(f.count)), func(d difference) bool { return !slices.Contains(sorts, d.sort) })
	slices.SortFunc(all, func(a, b difference) int {
		return cmp.Or(cmp.Compare(f.count[b], f.count[a]), strings.Compare(a.String(), b.String()))
	})
	return all
}

// compare adds what the two verdicts on a write differ in, and reports whether they do.
func (f *found) compare(k kind, w write, upstream, minik verdict) {
	f.cases++
	op := "create"
	if w.old != nil {
		op = "update"
	}
	differs := false
	add := func(s sort, where, up, mi, text string) {
		differs = true
		f.add(difference{k.String(), s, where, up, mi}, example{op + " of " + w.of + ": " + text, w})
	}
	if upstream.broken != "" || minik.broken != "" {
		if minik.broken != upstream.broken && (upstream.broken == "" || minik.broken != "") {
			add(broken, "", general(upstream.broken), general(minik.broken), upstream.broken+" / "+minik.broken)
		}
		return
	}
	f.judged++
	if upstream.compiled && !minik.compiled && len(upstream.errors) == 0 {
		return // upstream refuses it for a reason that minik does not look for, and says nothing of the rest
	}
	compareSets(upstream.errors, minik.errors, func(up, mi string) { add(mistake, pattern(pathOf(up+mi)), said(up), said(mi), up+mi) })
	if !differs {
		compareSets(upstream.values, minik.values, func(up, mi string) {
			add(shows, pattern(pathOf(up+mi)), strings.Replace(said(up), "says", "shows", 1), strings.Replace(said(mi), "says", "shows", 1), up+mi)
		})
	}
	if len(upstream.errors) > 0 || len(minik.errors) > 0 {
		if differs {
			f.differing++
		}
		return // nobody sees the object, or a warning
	}
	compareTrees("", upstream.object, minik.object, func(path string, up, mi any, upThere, miThere bool) {
		add(defaults, pattern(path), there(upThere, up), there(miThere, mi), fmt.Sprintf("%s: upstream %.80v, minik %.80v", path, up, mi))
	})
	compareSets(upstream.warnings, minik.warnings, func(up, mi string) { add(warns, "", said(up), said(mi), up+mi) })
	if differs {
		f.differing++
	}
}

// compareSets tells what only one of the two has.
func compareSets(upstream, minik []string, tell func(up, mi string)) {
	for _, u := range upstream {
		if !slices.Contains(minik, u) {
			tell(u, "")
		}
	}
	for _, m := range minik {
		if !slices.Contains(upstream, m) {
			tell("", m)
		}
	}
}

// compareTrees tells every field at which the two objects part.
func compareTrees(path string, upstream, minik any, tell func(path string, up, mi any, upThere, miThere bool)) {
	um, uok := upstream.(map[string]any)
	mm, mok := minik.(map[string]any)
	if uok && mok {
		for _, key := range slices.Sorted(maps.Keys(um)) {
			m, there := mm[key]
			if !there {
				tell(path+"."+key, um[key], nil, true, false)
				continue
			}
			compareTrees(path+"."+key, um[key], m, tell)
		}
		for _, key := range slices.Sorted(maps.Keys(mm)) {
			if _, there := um[key]; !there {
				tell(path+"."+key, nil, mm[key], false, true)
			}
		}
		return
	}
	us, uok := upstream.([]any)
	ms, mok := minik.([]any)
	if uok && mok && len(us) == len(ms) {
		for i := range us {
			compareTrees(fmt.Sprintf("%s[%d]", path, i), us[i], ms[i], tell)
		}
		return
	}
	if !reflect.DeepEqual(upstream, minik) {
		tell(path, upstream, minik, true, true)
	}
}

func there(is bool, value any) string {
	switch v := value.(type) {
	case nil:
		if !is {
			return "has none"
		}
	case map[string]any, []any:
		if reflect.ValueOf(v).Len() == 0 {
			return "has an empty one"
		}
	}
	return "has one"
}

var (
	indices = regexp.MustCompile(`\[[^\]]*\]`)
	quoted  = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	numbers = regexp.MustCompile(`\d+`)
	dotted  = regexp.MustCompile(`^(\.(?:metadata\.labels|metadata\.annotations|data|binaryData|stringData)\.).*$`)
)

// pattern is a path for every index and every key.
func pattern(path string) string {
	return dotted.ReplaceAllString(indices.ReplaceAllString(path, "[*]"), "$1*")
}

// pathOf is what a mistake is about.
func pathOf(mistake string) string {
	path, _, _ := strings.Cut(mistake, ": ")
	return path
}

// said is what was said, for every value.
func said(text string) string {
	if text == "" {
		return "says nothing"
	}
	return "says " + general(text)
}

func general(text string) string {
	if len(text) > 400 {
		text = text[:400] + "…"
	}
	text = indices.ReplaceAllString(quoted.ReplaceAllString(text, `"…"`), "[*]")
	return strings.ReplaceAll(numbers.ReplaceAllString(text, "N"), "\n", " ")
}
