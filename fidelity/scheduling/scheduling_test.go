package scheduling

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"minik.dev/fidelity/page"
)

var (
	seed = flag.Int64("seed", 1, "where the random choices start")
	n    = flag.Int("n", 1000, "how many times ten decisions are compared")
	into = flag.String("page", "", "the page to write what was compared to, where all of it agrees")
	most = flag.Int("most", 30, "how many differences are shown")
)

// mostKnown bounds known.txt: what is more than that is no exception any more.
const mostKnown = 10

// TestDecisions asks both schedulers about the same pods on the same clusters. Cluster i is that of seed+i: a difference that is found
// there is found again with that seed and -n 1.
func TestDecisions(t *testing.T) {
	up, mi := schedulers(t)
	f := newFound()
	for i := range int64(*n) {
		c := newCluster(*seed+i, up, mi)
		for range decisions {
			pod := c.next()
			f.asks(c, pod, up, mi, fmt.Sprintf("seed %d, pod %s", *seed+i, pod.Name))
			c.change()
		}
	}
	report(t, f)
	t.Log(f.decided)
	agreed.Count("decisions", "cases", f.decisions)
	for _, part := range parts {
		agreed.Count(part, "cases", f.decided[part])
	}
	if f.decisions >= 10000 {
		for _, part := range parts {
			require.Greater(t, f.decided[part], 10, "%s: the clusters have too little of it", part)
		}
	}
}

// parts are what many decisions have of everything.
var parts = []string{
	"gated by SchedulingGates", "refused by NodeAffinity", "refused by VolumeRestrictions", "refused by VolumeBinding",
	"refused by VolumeZone", "rejected by NodeUnschedulable", "rejected by TaintToleration", "rejected by NodeAffinity",
	"rejected by NodePorts", "rejected by NodeResourcesFit", "rejected by VolumeRestrictions", "rejected by VolumeBinding",
	"rejected by VolumeZone", "rejected by PodTopologySpread", "rejected by InterPodAffinity", "scored by TaintToleration",
	"scored by NodeAffinity", "scored by NodeResourcesFit", "scored by NodeResourcesBalancedAllocation", "scored by PodTopologySpread",
	"scored by InterPodAffinity", "scored by ImageLocality", "victims", "withdrawn", "waits",
}

// schedulers are made from one configuration.
func schedulers(t *testing.T) (*upstream, *minik) {
	up, err := newUpstream(t.Context(), "testdata/profiles.yaml")
	require.NoError(t, err)
	mi, err := newMinik("testdata/profiles.yaml")
	require.NoError(t, err)
	return up, mi
}

// asks compares the verdicts on the pod, and carries out minik's.
func (f *found) asks(c *cluster, pod *corev1.Pod, up *upstream, mi *minik, where string) {
	v := mi.decide(pod)
	f.compare(pod, up.decide(pod), v, where)
	c.carryOut(pod, v)
}

func report(t *testing.T, f *found) {
	t.Helper()
	explained, err := page.Known("known.txt")
	require.NoError(t, err)
	require.LessOrEqual(t, len(explained), mostKnown, "known.txt is too long")
	var text strings.Builder
	shown, left := 0, 0
	for _, d := range f.ordered() {
		if explained[d.String()] != "" {
			continue
		}
		if shown++; shown > *most {
			left++
			continue
		}
		fmt.Fprintf(&text, "%6d %s\n       %.900s\n", f.count[d], d, f.example[d])
	}
	t.Logf("%d of %d decisions differ", f.differing, f.decisions)
	if shown > 0 {
		t.Errorf("upstream and minik differ in %d ways (%d not shown):\n%s", shown, left, text.String())
	}
}

func TestMain(m *testing.M) {
	klog.InitFlags(nil)
	klog.LogToStderr(false)
	must(flag.Set("stderrthreshold", "FATAL"))
	klog.SetOutput(io.Discard)
	code := m.Run()
	if *into != "" && code == 0 {
		agreed.About = fmt.Sprintf("Decisions about the same pods on the same random clusters, from seed %d: what keeps a pod from the queue, what each "+
			"plugin says of\neach node, scores, the winner, messages, and victims node by node.", *seed)
		if err := agreed.Write(*into); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// agreed is what was compared, for the page.
var agreed = &page.Page{Title: "Scheduling", Rows: "what", Columns: []string{"cases"}}
