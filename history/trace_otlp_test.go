package history

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"minik.dev/api"
	"minik.dev/history/otlptest"
	"minik.dev/journal"
)

// Every journal of testdata/trace makes traces that a tracing tool can read, whichever of its objects is asked for.
func TestTracesAreOTLP(t *testing.T) {
	files, err := filepath.Glob("testdata/trace/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		for _, f := range archive.Files {
			if f.Name != "journal" {
				continue
			}
			revisions := parseRevisions(t, string(f.Data))
			for i := range revisions {
				requireOTLP(t, revisions, journal.ObjectOf(&revisions[i]))
			}
		}
	}
}

// requireOTLP returns the spans of the object's trace by revision.
func requireOTLP(t *testing.T, revisions []api.Revision, object journal.Object) map[string]*tracev1.Span {
	t.Helper()
	printed := indented(t, TraceOTLP(journal.Trace(revisions, object)))
	traces, err := otlptest.Read([]byte(printed))
	require.NoError(t, err, printed)
	require.NoError(t, otlptest.Check(traces), printed)
	require.NotEmpty(t, traces.ResourceSpans)
	spans := map[string]*tracev1.Span{}
	for _, resource := range traces.ResourceSpans {
		for _, s := range resource.ScopeSpans[0].Spans {
			for _, a := range s.Attributes {
				if a.Key == "minik.revision" {
					spans[a.Value.GetStringValue()] = s
				}
			}
		}
	}
	return spans
}

// A clock may be set back between two writes, and a journal may hold a write of nobody known, but a span does not end before it
// begins and always belongs to a service.
func TestOTLPOfAnOddJournal(t *testing.T) {
	revisions := []api.Revision{
		newRevision("1", time.Hour, "kubectl", "create", "pods", "web", "", "", ""),
		newRevision("2", 0, "default-scheduler", "create", "pods", "web", "binding", "1", ""),
		newRevision("3", time.Minute, "", "update", "pods", "web", "status", "2", ""),
	}
	revisions[2].Actor = api.Actor{}
	spans := requireOTLP(t, revisions, journal.Object{Resource: "pods", Namespace: "default", Name: "web"})
	require.Len(t, spans, 3)
	require.EqualValues(t, traceTime.UnixNano(), spans["2"].StartTimeUnixNano)
	require.EqualValues(t, traceTime.UnixNano(), spans["2"].EndTimeUnixNano)
}

// The check itself refuses what a tracing tool would.
func TestReadOTLPRefuses(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/trace/forms.txt")
	require.NoError(t, err)
	var good []byte
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "otlp ") {
			good = f.Data
		}
	}
	traces, err := otlptest.Read(good)
	require.NoError(t, err)
	require.NoError(t, otlptest.Check(traces))
	_, err = otlptest.Read(bytes.Replace(good, []byte(`"kind"`), []byte(`"sort"`), 1))
	require.ErrorContains(t, err, "unknown field")
	for name, damage := range map[string]func(*tracev1.Span){
		"its id is":         func(s *tracev1.Span) { s.SpanId = s.SpanId[1:] },
		"its parent":        func(s *tracev1.Span) { s.ParentSpanId = make([]byte, 8) },
		"it begins at":      func(s *tracev1.Span) { s.EndTimeUnixNano = 1 },
		"its trace's id":    func(s *tracev1.Span) { s.TraceId = nil },
		"it links to":       func(s *tracev1.Span) { s.Links = []*tracev1.Span_Link{{SpanId: []byte("nobody")}} },
		"no key of its own": func(s *tracev1.Span) { s.Attributes = append(s.Attributes, s.Attributes...) },
	} {
		damaged := proto.CloneOf(traces)
		damage(damaged.ResourceSpans[0].ScopeSpans[0].Spans[0])
		require.ErrorContains(t, otlptest.Check(damaged), name)
	}
}
