package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/api"
	"minik.dev/journal"
	"minik.dev/scenario"
)

// traceTime is when every scenario begins.
var traceTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestTrace reads testdata/trace/*.txt: a journal, one entry a line, and what `minik trace` makes of it. An entry reads
//
//	REVISION +TIME ACTOR VERB RESOURCE/NAME[/SUBRESOURCE] [because CAUSES] [: REASON]
//
// and a section is named after the command's arguments: "tree pods/web-1", "json …", "otlp …".
func TestTrace(t *testing.T) {
	scenario.Sections(t, "testdata/trace/*.txt", func(t *testing.T, sections []txtar.File) {
		var revisions []api.Revision
		for i, f := range sections {
			if f.Name == "journal" {
				revisions = parseRevisions(t, string(f.Data))
				continue
			}
			form, object, _ := strings.Cut(f.Name, " ")
			sections[i].Data = []byte(traced(t, form, revisions, object))
		}
	})
}

func traced(t *testing.T, form string, revisions []api.Revision, word string) string {
	resource, name, _ := strings.Cut(word, "/")
	object := journal.Object{Resource: resource, Namespace: "default", Name: name}
	roots := journal.Trace(revisions, object)
	switch form {
	case "tree":
		return TraceText(roots, TraceStyle{Most: 3, Zone: time.UTC})
	case "json":
		return indented(t, TraceJSON(roots, object))
	case "otlp":
		return indented(t, TraceOTLP(roots))
	case "unknown":
		return fmt.Sprintln(journal.Unknown(revisions, object))
	}
	require.Failf(t, "unknown section", "%q", form)
	return ""
}

func indented(t *testing.T, v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	require.NoError(t, err)
	return string(text) + "\n"
}

func parseRevisions(t *testing.T, text string) []api.Revision {
	var out []api.Revision
	for line := range strings.Lines(text) {
		line, reason, _ := strings.Cut(strings.TrimSpace(line), " : ")
		line, causes, _ := strings.Cut(line, " because ")
		words := strings.Fields(line)
		require.Len(t, words, 5, line)
		after, err := time.ParseDuration(strings.TrimPrefix(words[1], "+"))
		require.NoError(t, err)
		object := strings.Split(words[4]+"/", "/")
		out = append(out, newRevision(words[0], after, words[2], words[3], object[0], object[1], object[2], causes, reason))
	}
	return out
}

func newRevision(number string, after time.Duration, actor, verb, resource, name, subresource, causes, reason string) api.Revision {
	r := api.Revision{
		ObjectMeta: metav1.ObjectMeta{Name: number}, Actor: api.Actor{User: "u", Component: actor}, Verb: verb,
		Resource: resource, Namespace: "default", Name: name, Subresource: subresource, Reason: reason,
		Time: metav1.NewMicroTime(traceTime.Add(after)),
	}
	if causes != "" {
		r.Causes = strings.Split(causes, ",")
	}
	return r
}

// A Deployment of 3,000 pods is as easy to read as one of 3.
func TestATraceOfThousands(t *testing.T) {
	revisions := []api.Revision{
		newRevision("1", 0, "kubectl", "create", "deployments", "web", "", "", ""),
		newRevision("2", time.Millisecond, "deployment-controller", "create", "replicasets", "web-a", "", "1", "wants 3000"),
	}
	add := func(i, turn int, actor, verb, sub, cause string) string {
		n := fmt.Sprint(10 + 3000*turn + i)
		revisions = append(revisions, newRevision(n, time.Duration(turn*100+i/30)*time.Millisecond, actor, verb, "pods",
			fmt.Sprintf("web-a-%04d", i), sub, cause, fmt.Sprintf("reason %d", i)))
		return n
	}
	for i := range 3000 {
		made := add(i, 1, "replicaset-controller", "create", "", "2")
		bound := add(i, 2, "default-scheduler", "create", "binding", made)
		waiting := add(i, 3, "kubelet", "update", "status", bound)
		running := add(i, 4, "kubelet", "update", "status", waiting)
		if i%1000 == 0 {
			revisions = append(revisions, newRevision(fmt.Sprint(20000+i), time.Second, "replicaset-controller", "update", "replicasets",
				"web-a", "status", running, "more are ready"))
		}
	}
	got := TraceText(journal.Trace(revisions, journal.Object{Resource: "deployments", Namespace: "default", Name: "web"}), TraceStyle{Most: 5, Zone: time.UTC})
	require.Equal(t, `2026-03-01 12:00:00.000 UTC  from outside
REVISION     AFTER         TOOK        STEP
1            +0ms                      kubectl creates default/deployments/web
2            +1ms          1ms         └ deployment-controller creates default/replicasets/web-a: wants 3000
3010…6009    +100ms…199ms  99ms…198ms    └ replicaset-controller creates 3,000 pods alike, default/pods/web-a-*: reason 0, and the like
6010…9009    +200ms…299ms  100ms           └ default-scheduler creates 3,000 pods alike, default/pods/web-a-*/binding: reason 0, and the like
9010…12009   +300ms…399ms  100ms             ├ kubelet updates 3,000 pods alike, default/pods/web-a-*/status: reason 0, and the like
12010…15009  +400ms…499ms  200ms             └ kubelet updates 3,000 pods alike, default/pods/web-a-*/status: reason 0, and the like
20000        +1s           600ms               ├ replicaset-controller updates default/replicasets/web-a/status: more are ready
21000        +1s           567ms               ├ replicaset-controller updates default/replicasets/web-a/status: more are ready
22000        +1s           534ms               └ replicaset-controller updates default/replicasets/web-a/status: more are ready
`, got)
}
