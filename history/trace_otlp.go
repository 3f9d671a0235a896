package history

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"

	"minik.dev/journal"
)

// The types below are OTLP's ExportTraceServiceRequest in its JSON encoding (opentelemetry-proto, "JSON Protobuf
// Encoding"): IDs in hexadecimal, 64-bit numbers as strings. A step is a span that begins when its cause was written and
// ends when it was written itself; a tree is a trace; a component is a service.
type (
	otlpTraces struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeSpans struct {
		Scope otlpScope  `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpScope struct {
		Name string `json:"name"`
	}
	otlpSpan struct {
		TraceID           string          `json:"traceId"`
		SpanID            string          `json:"spanId"`
		ParentSpanID      string          `json:"parentSpanId,omitempty"`
		Name              string          `json:"name"`
		Kind              int             `json:"kind"`
		StartTimeUnixNano string          `json:"startTimeUnixNano"`
		EndTimeUnixNano   string          `json:"endTimeUnixNano"`
		Attributes        []otlpAttribute `json:"attributes"`
		Links             []otlpLink      `json:"links,omitempty"`
	}
	otlpLink struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		StringValue string `json:"stringValue"`
	}
)

// spanKindInternal is OTLP's SPAN_KIND_INTERNAL.
const spanKindInternal = 1

// unknownService is OpenTelemetry's name for a service that has none: service.name may not be empty.
const unknownService = "unknown_service"

// TraceOTLP is the trees for json.Marshal as OTLP has them, the services in alphabetical order.
func TraceOTLP(roots []*journal.Step) any {
	trees := map[int64]string{} // the trace of each step: links name it
	for _, root := range roots {
		noteTree(trees, root, traceID(root))
	}
	services := map[string][]otlpSpan{}
	for _, root := range roots {
		addSpans(services, trees, root, nil)
	}
	var names []string
	for name := range services {
		names = append(names, name)
	}
	sort.Strings(names)
	out := otlpTraces{ResourceSpans: []otlpResourceSpans{}}
	for _, name := range names {
		out.ResourceSpans = append(out.ResourceSpans, otlpResourceSpans{
			Resource:   otlpResource{Attributes: []otlpAttribute{attribute("service.name", name)}},
			ScopeSpans: []otlpScopeSpans{{Scope: otlpScope{Name: "minik.dev"}, Spans: services[name]}},
		})
	}
	return out
}

func noteTree(trees map[int64]string, s *journal.Step, trace string) {
	trees[s.Number] = trace
	for _, effect := range s.Effects {
		noteTree(trees, effect, trace)
	}
}

func addSpans(services map[string][]otlpSpan, trees map[int64]string, s, parent *journal.Step) {
	service := cmp.Or(s.Actor.Component, s.Actor.User, unknownService)
	span := otlpSpan{
		TraceID: trees[s.Number], SpanID: spanID(s.Number), Kind: spanKindInternal,
		Name:              s.Verb + " " + s.Resource + "/" + s.Name,
		StartTimeUnixNano: strconv.FormatInt(s.Time.Add(-max(s.Took, 0)).UnixNano(), 10), // a clock may be set back
		EndTimeUnixNano:   strconv.FormatInt(s.Time.UnixNano(), 10),
	}
	if parent != nil {
		span.ParentSpanID = spanID(parent.Number)
	}
	for _, a := range []otlpAttribute{
		attribute("minik.revision", fmt.Sprint(s.Number)), attribute("minik.reason", s.Reason),
		attribute("minik.command", s.Actor.Command), attribute("enduser.id", s.Actor.User),
		attribute("k8s.namespace.name", s.Namespace), attribute("minik.subresource", s.Subresource),
	} {
		if a.Value.StringValue != "" {
			span.Attributes = append(span.Attributes, a)
		}
	}
	for _, cause := range s.Causes { // those that the step does not stand below
		n, err := strconv.ParseInt(cause, 10, 64)
		if err == nil && trees[n] != "" && (parent == nil || n != parent.Number) {
			span.Links = append(span.Links, otlpLink{TraceID: trees[n], SpanID: spanID(n)})
		}
	}
	services[service] = append(services[service], span)
	for _, effect := range s.Effects {
		addSpans(services, trees, effect, s)
	}
}

func attribute(key, value string) otlpAttribute {
	return otlpAttribute{Key: key, Value: otlpValue{StringValue: value}}
}

// traceID is the same whenever the same tree is exported, and another for the same revision of another cluster.
func traceID(root *journal.Step) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", root.Number, root.Time.UnixNano(), root.Name))
	return hex.EncodeToString(sum[:16])
}

func spanID(revision int64) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(revision)))
}
