package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"minik.dev/api"
	"minik.dev/journal"
)

// OTLP/JSON is protobuf's JSON but for its identifiers: those of traces and spans are hexadecimal instead of base64
// (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding"). So what `minik trace -o otlp` prints must be read by
// the protocol's own types, which refuse a field that they do not know.
func readOTLP(text []byte) (*tracev1.TracesData, error) {
	var document any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if err := base64IDs(document); err != nil {
		return nil, err
	}
	standard, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	traces := &tracev1.TracesData{}
	return traces, protojson.Unmarshal(standard, traces)
}

// base64IDs turns the identifiers of OTLP/JSON into bytes, which JSON writes as base64.
func base64IDs(v any) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := base64IDs(item); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, value := range v {
			text, ok := value.(string)
			if !ok || key != "traceId" && key != "spanId" && key != "parentSpanId" {
				if err := base64IDs(value); err != nil {
					return err
				}
				continue
			}
			id, err := hex.DecodeString(text)
			if err != nil {
				return fmt.Errorf("%s %q: %w", key, text, err)
			}
			v[key] = id
		}
	}
	return nil
}

type otlpID struct{ trace, span string }

// checkOTLP checks what the protocol asks of traces, in words: trace.proto says "MUST" and "is considered invalid".
func checkOTLP(traces *tracev1.TracesData) error {
	spans := map[otlpID]*tracev1.Span{}
	roots := map[string]int{}
	for _, resource := range traces.ResourceSpans {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.Key == "service.name" {
				service = a.Value.GetStringValue()
			}
		}
		if service == "" {
			return fmt.Errorf("a resource has no service.name: %v", resource.Resource)
		}
		for _, scope := range resource.ScopeSpans {
			if scope.GetScope().GetName() == "" || len(scope.Spans) == 0 {
				return fmt.Errorf("service %s has a scope without a name or spans: %v", service, scope)
			}
			for _, s := range scope.Spans {
				id := otlpID{string(s.TraceId), string(s.SpanId)}
				if spans[id] != nil {
					return fmt.Errorf("two spans are %x of trace %x", s.SpanId, s.TraceId)
				}
				spans[id] = s
			}
		}
	}
	var mistakes []error
	for id, s := range spans {
		if err := checkSpan(spans, s); err != nil {
			mistakes = append(mistakes, fmt.Errorf("span %x %q: %w", id.span, s.Name, err))
		}
		if len(s.ParentSpanId) == 0 {
			roots[id.trace]++
		}
	}
	for id := range spans {
		if roots[id.trace] != 1 {
			mistakes = append(mistakes, fmt.Errorf("trace %x has %d roots", id.trace, roots[id.trace]))
		}
	}
	return errors.Join(mistakes...)
}

func checkSpan(spans map[otlpID]*tracev1.Span, s *tracev1.Span) error {
	zero := func(id []byte) bool { return len(bytes.Trim(id, "\x00")) == 0 }
	switch {
	case len(s.TraceId) != 16 || zero(s.TraceId):
		return fmt.Errorf("its trace's id is %x", s.TraceId)
	case len(s.SpanId) != 8 || zero(s.SpanId):
		return fmt.Errorf("its id is %x", s.SpanId)
	case s.Name == "" || s.Kind == tracev1.Span_SPAN_KIND_UNSPECIFIED:
		return fmt.Errorf("it has name %q and kind %s", s.Name, s.Kind)
	case s.StartTimeUnixNano == 0 || s.EndTimeUnixNano < s.StartTimeUnixNano:
		return fmt.Errorf("it begins at %d and ends at %d", s.StartTimeUnixNano, s.EndTimeUnixNano)
	}
	if parent := spans[otlpID{string(s.TraceId), string(s.ParentSpanId)}]; len(s.ParentSpanId) > 0 {
		switch {
		case parent == nil:
			return fmt.Errorf("its parent %x is not in its trace", s.ParentSpanId)
		case s.StartTimeUnixNano != min(parent.EndTimeUnixNano, s.EndTimeUnixNano):
			return fmt.Errorf("it begins at %d, and its parent %q ended at %d", s.StartTimeUnixNano, parent.Name, parent.EndTimeUnixNano)
		}
	}
	for _, l := range s.Links {
		if spans[otlpID{string(l.TraceId), string(l.SpanId)}] == nil {
			return fmt.Errorf("it links to span %x of trace %x, which is not there", l.SpanId, l.TraceId)
		}
	}
	keys := map[string]bool{}
	for _, a := range s.Attributes {
		if a.Key == "" || keys[a.Key] {
			return fmt.Errorf("attribute %q has no key of its own", a.Key)
		}
		keys[a.Key] = true
	}
	return nil
}

// otlpFile is `otlp FILE`: what the command printed into it is a trace that a tracing tool can read.
func otlpFile(ts *testscript.TestScript, _ bool, args []string) {
	traces, err := readOTLP([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(checkOTLP(traces))
	if len(traces.ResourceSpans) == 0 {
		ts.Fatalf("there is no span in it")
	}
}

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
	var printed bytes.Buffer
	require.NoError(t, traceOutputs["otlp"](&printed, journal.Trace(revisions, object), object, 0))
	traces, err := readOTLP(printed.Bytes())
	require.NoError(t, err, printed.String())
	require.NoError(t, checkOTLP(traces), printed.String())
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
	traces, err := readOTLP(good)
	require.NoError(t, err)
	require.NoError(t, checkOTLP(traces))
	_, err = readOTLP(bytes.Replace(good, []byte(`"kind"`), []byte(`"sort"`), 1))
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
		require.ErrorContains(t, checkOTLP(damaged), name)
	}
}
