package openapi

import (
	"cmp"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// connections are subresources from which no object comes back but a stream, with the type whose fields are their query
// parameters.
var connections = map[string]any{
	"log":         corev1.PodLogOptions{},
	"exec":        corev1.PodExecOptions{},
	"attach":      corev1.PodAttachOptions{},
	"portforward": corev1.PodPortForwardOptions{},
	"proxy":       corev1.PodProxyOptions{},
}

// unserved are query parameters of upstream's alpha features, which minik does not have.
var unserved = []string{"ignoreStoreReadErrorWithClusterBreakingPotential", "shardSelector"}

// queryParameters are the fields of the options types that fit into a query, sorted by name. A structure such as
// preconditions does not; it can be sent in the body only.
func queryParameters(options []any, omitted []string) []spec.Parameter {
	var out []spec.Parameter
	for _, o := range options {
		t := reflect.TypeOf(o)
		docs := describe(t)
		for i := range t.NumField() {
			name, _, ok := jsonName(t.Field(i))
			kind, format := queryType(t.Field(i).Type)
			known := slices.ContainsFunc(out, func(p spec.Parameter) bool { return p.Name == name })
			left := known || slices.Contains(omitted, name) || slices.Contains(unserved, name)
			if !ok || name == "" || kind == "" || left {
				continue
			}
			out = append(out, parameter(name, "query", docs[name], kind, format))
		}
	}
	slices.SortFunc(out, func(a, b spec.Parameter) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// queryType is the type of a field in a query: a list is repeated strings, a time is its text; empty does not fit.
func queryType(t reflect.Type) (kind, format string) {
	t = indirect(t)
	if t == reflect.TypeFor[metav1.Time]() {
		return "string", "date-time"
	}
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if kind, format = common.OpenAPITypeFormat(t.Kind().String()); format == "int32" {
		format = ""
	}
	return kind, format
}

// pathParameters are what every operation below a path has in common.
func pathParameters(k kind, namespaced, named bool) []spec.Parameter {
	var out []spec.Parameter
	if named {
		out = append(out, parameter("name", "path", "name of the "+k.gvk.Kind, "string", ""))
	}
	if namespaced {
		out = append(out, parameter("namespace", "path",
			"object name and auth scope, such as for teams and projects", "string", ""))
	}
	return append(out, parameter("pretty", "query", "If 'true', then the output is pretty printed.", "string", ""))
}

func parameter(name, in, description, kind, format string) spec.Parameter {
	return spec.Parameter{
		ParamProps:   spec.ParamProps{Name: name, In: in, Description: description, Required: in == "path"},
		SimpleSchema: spec.SimpleSchema{Type: kind, Format: format},
	}
}

// bodyParameter is how OpenAPI v2 says what is sent. Only a deletion may leave it out.
func bodyParameter(schema *spec.Schema, required bool) spec.Parameter {
	return spec.Parameter{ParamProps: spec.ParamProps{Name: "body", In: "body", Schema: schema, Required: required}}
}
