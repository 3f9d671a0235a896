package fidelity

import (
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"

	"minik.dev/apiserver/resources"
	"minik.dev/fidelity/page"
)

var (
	seed = flag.Int64("seed", 1, "where the random choices start")
	n    = flag.Int("n", 1000, "how many writes of each kind are compared, besides those that are written somewhere")
	all  = flag.Bool("all", false, "compare the kinds, too, of which differences are known that are not mended")
	most = flag.Int("most", 30, "how many differences of a kind are shown")
	into = flag.String("page", "", "the page to write what was compared to, where all of it agrees")
	show = flag.String("show", "", "show the objects of the differences that this pattern matches")
)

// mostKnown bounds known.txt: what is more than that is no exception any more.
const mostKnown = 40

// corpus is everything that is written in minik's examples and tests, read once.
var corpus = sync.OnceValues(func() (map[schema.GroupVersionKind][]input, error) { return written("..", kinds()) })

// eachKind runs a test for every kind that is compared.
func eachKind(t *testing.T, test func(t *testing.T, k kind)) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			if differing[k.String()] && !*all {
				t.Skip("it is known to differ: run with -all")
			}
			test(t, k)
		})
	}
}

var results sync.Map // of kind's name to *found: two tests look at the same writes

// compared are the differences between the verdicts on many writes of the kind.
func compared(t *testing.T, k kind) *found {
	t.Helper()
	if f, ok := results.Load(k.String()); ok {
		return f.(*found)
	}
	f := newFound()
	k.writes(t, func(w write) { f.compare(k, w, k.upstream(w), k.minik(w)) })
	require.NotZero(t, f.judged, "upstream can't read any of them: it may not know the group")
	results.Store(k.String(), f)
	return f
}

// report fails the test with every difference of the sorts that is not known.
func report(t *testing.T, f *found, sorts ...sort) {
	t.Helper()
	explained, err := page.Known("known.txt")
	require.NoError(t, err)
	require.LessOrEqual(t, len(explained), mostKnown, "known.txt is too long")
	var text strings.Builder
	shown, left := 0, 0
	for _, d := range f.ordered(sorts...) {
		if explained[d.String()] != "" {
			continue
		}
		if shown++; shown > *most {
			left++
			continue
		}
		e := f.example[d]
		fmt.Fprintf(&text, "%6d %s\n       %.300s\n", f.count[d], d, strings.ReplaceAll(e.text, "\n", " "))
		if *show != "" && regexp.MustCompile(*show).MatchString(d.String()) {
			for _, obj := range []resources.Object{e.old, e.obj} {
				if obj != nil {
					y, _ := yaml.Marshal(obj)
					fmt.Fprintf(&text, "---\n%s\n", y)
				}
			}
		}
	}
	t.Logf("%d of %d writes differ", f.differing, f.cases)
	if test, name, ok := strings.Cut(t.Name(), "/"); ok {
		agreed.Count(strings.TrimSuffix(name, ".status"), pageColumns[test], f.cases)
	}
	if shown > 0 {
		t.Errorf("upstream and minik differ in %d ways (%d not shown):\n%s", shown, left, text.String())
	}
}

// writes gives do what is written somewhere, and *n writes that are made of that and of what upstream's fuzzers make.
func (k kind) writes(t *testing.T, do func(write)) {
	inputs, err := corpus()
	require.NoError(t, err)
	require.NotEmpty(t, inputs[k.GroupVersionKind], "nobody has written one down")
	name := fnv.New64()
	name.Write([]byte(k.String()))
	r := rand.New(rand.NewSource(*seed + int64(name.Sum64()>>1)))
	m := newMutator(r)
	for _, other := range kinds() {
		for _, in := range inputs[other.GroupVersionKind] {
			m.learn(in.obj)
		}
	}
	var starts []input
	for _, in := range inputs[k.GroupVersionKind] {
		starts = append(starts, in)
		do(write{obj: in.obj, of: in.file})
		if in.old != nil {
			if old, ok := k.accepted(in.old); ok {
				do(write{obj: in.obj, old: old, of: in.file})
			}
		}
	}
	for i := 0; i < *n; i++ {
		in := pick(r, starts)
		if r.Intn(10) == 0 {
			if obj := k.fuzzed(r); obj != nil {
				if !k.row.ClusterScoped {
					obj.SetNamespace("default") // the path says it
				}
				in = input{obj: obj, file: "upstream's fuzzers"}
				m.learn(obj)
			}
		}
		obj := in.obj.DeepCopyObject().(resources.Object)
		var old resources.Object
		if r.Intn(2) == 0 { // an update of what was stored
			var ok bool
			if old, ok = k.accepted(obj); ok {
				obj = old.DeepCopyObject().(resources.Object)
			} else {
				old = nil
			}
		}
		var done []string
		for range 1 + min(r.Intn(4), r.Intn(4)) {
			done = append(done, m.mutate(obj, ""))
		}
		if old != nil {
			obj.SetName(old.GetName())
		}
		do(write{obj: obj, old: old, of: fmt.Sprintf("%s (case %d), where %s", in.file, i, strings.Join(done, " and "))})
	}
}

// accepted is the object as upstream stores it, if it does.
func (k kind) accepted(obj resources.Object) (resources.Object, bool) {
	v := k.upstream(write{obj: obj})
	if v.broken != "" || len(v.errors) > 0 {
		return nil, false
	}
	stored := k.ofTree(v.object)
	if stored == nil {
		return nil, false
	}
	stored.SetResourceVersion("1")
	return stored, true
}

func TestMain(m *testing.M) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard) // where upstream's two kinds of validation differ, they say so for each object
	code := m.Run()
	if *into != "" && code == 0 {
		explained, err := page.Known("known.txt")
		if err == nil {
			for difference, reason := range explained {
				agreed.Known = append(agreed.Known, difference+" # "+reason)
			}
			agreed.About = fmt.Sprintf("Of each kind, %d random writes from seed %d besides those in minik's examples and tests: what is stored, "+
				"mistakes, warnings; the\nsame for writes of the status; and the tables of `kubectl get`, cell by cell.", *n, *seed)
			err = agreed.Write(*into)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// agreed is what was compared, for the page.
var agreed = &page.Page{Title: "Kinds", Rows: "kind", Columns: []string{"writes", "writes of the status", "rows of tables"}}

// pageColumns are the columns of the page by the tests that count in them. TestDefaults looks at the writes of TestValidation.
var pageColumns = map[string]string{"TestValidation": "writes", "TestStatus": "writes of the status", "TestColumns": "rows of tables"}
