// Package otlptest checks that a trace is one that a tracing tool can read. It is for tests.
package otlptest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// Read reads a trace as OTLP's JSON has it. That is protobuf's JSON but for its identifiers: those of traces and spans are hexadecimal instead of base64
// (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding"). So what `minik trace -o otlp` prints must be read by
// the protocol's own types, which refuse a field that they do not know.
func Read(text []byte) (*tracev1.TracesData, error) {
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

// Check checks what the protocol asks of traces, in words: trace.proto says "MUST" and "is considered invalid".
func Check(traces *tracev1.TracesData) error {
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
