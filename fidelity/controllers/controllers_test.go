package controllers

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"

	"minik.dev/fidelity/page"
)

var (
	seed = flag.Int64("seed", 1, "where the random choices start")
	n    = flag.Int("n", 1000, "how many steps of histories are compared")
	into = flag.String("page", "", "the page to write what was compared to, where all of it agrees")
	most = flag.Int("most", 30, "how many differences are shown")
)

// mostKnown bounds known.txt: what is more than that is no exception any more.
const mostKnown = 10

// TestHistories tells the same histories to both sides' controllers. History i is that of seed+i: a difference that is found there is
// found again with that seed and -n 1.
func TestHistories(t *testing.T) {
	explained, err := page.Known("known.txt")
	require.NoError(t, err)
	require.LessOrEqual(t, len(explained), mostKnown, "known.txt is too long")
	f := newFound(explained)
	for i := range int64(max(1, *n/steps)) {
		f.tell(t, *seed+i)
	}
	report(t, f)
	t.Log(f.compared)
	for _, kind := range kinds {
		agreed.Count(kind, "objects", f.compared[kind])
		if *n >= 1000 {
			require.Greater(t, f.compared[kind], 100, "%s: the histories have too little of it", kind)
		}
	}
}

// kinds are what is compared.
var kinds = []string{"Deployment", "ReplicaSet", "ReplicationController", "Pod", "Endpoints", "EndpointSlice", "PodDisruptionBudget"}

// tries is how often a history is told where the two sides differ.
const tries = 6

// tell is the history of the seed for both sides. Where two of upstream's controllers are awake at once, which of them comes first is
// up to chance, and what comes of it may be, too: so minik differs where it does each time.
func (f *found) tell(t *testing.T, seed int64) {
	var last *found
	for range tries {
		var up, mi []state
		synctest.Test(t, func(*testing.T) { up = run(seed, upstream) })
		synctest.Test(t, func(*testing.T) { mi = run(seed, minik) })
		last = newFound(f.explained)
		if last.compare(seed, up, mi); last.differing == 0 {
			break
		}
	}
	f.add(last)
}

func report(t *testing.T, f *found) {
	t.Helper()
	var text strings.Builder
	shown, left := 0, 0
	for _, d := range f.ordered() {
		if shown++; shown > *most {
			left++
			continue
		}
		fmt.Fprintf(&text, "%6d %s\n       %.1200s\n", f.count[d], d, f.example[d])
	}
	t.Logf("%d of %d states differ", f.differing, f.states)
	if shown > 0 {
		t.Errorf("upstream and minik differ in %d ways (%d not shown):\n%s", shown, left, text.String())
	}
}

func TestMain(m *testing.M) {
	klog.InitFlags(nil)
	klog.LogToStderr(false)
	must(flag.Set("stderrthreshold", "FATAL"))
	klog.SetOutput(io.Discard)
	utilruntime.ErrorHandlers = nil // one of them waits until a time that it remembers, and that may be of another history
	code := m.Run()
	if *into != "" && code == 0 {
		agreed.About = fmt.Sprintf("What is stored after each of %d steps of %d random histories, from seed %d, with upstream's controllers and with "+
			"minik's.", steps, max(1, *n/steps), *seed)
		explained, err := page.Known("known.txt")
		must(err)
		for _, d := range slices.Sorted(maps.Keys(explained)) {
			agreed.Known = append(agreed.Known, d+" # "+explained[d])
		}
		if err := agreed.Write(*into); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// agreed is what was compared, for the page.
var agreed = &page.Page{Title: "Controllers", Rows: "kind", Columns: []string{"objects"}}
