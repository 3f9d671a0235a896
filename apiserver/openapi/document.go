package openapi

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/openapiconv"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"minik.dev/apiserver/resources"
)

// gvkExtension says of a definition which kinds it is, and of an operation which kind it is about.
const gvkExtension = "x-kubernetes-group-version-kind"

// document is an OpenAPI v2 document in the making.
type document struct {
	schemas *schemas
	paths   map[string]spec.PathItem
}

// newDocument describes the kinds: every path and operation, and every type that they speak of. Options and events
// belong to every version, and to the core's anyhow.
func newDocument(kinds []kind, merging merging) *document {
	d := &document{schemas: newSchemas(modelNames(kinds), merging), paths: map[string]spec.PathItem{}}
	for _, k := range kinds {
		d.addKind(k)
	}
	d.markType(reflect.TypeFor[metav1.Status](), schema.GroupVersionKind{Version: "v1", Kind: "Status"})
	for _, gv := range groupVersions(append([]kind{{gvk: schema.GroupVersionKind{Version: "v1"}}}, kinds...)) {
		d.markType(reflect.TypeFor[metav1.DeleteOptions](), gv.WithKind("DeleteOptions"))
		d.markType(reflect.TypeFor[metav1.WatchEvent](), gv.WithKind("WatchEvent"))
	}
	return d
}

// v2 is the whole document in OpenAPI v2. It never had defaults, and old clients trip over them.
func (d *document) v2(version string) *spec.Swagger {
	out := d.swagger(version)
	out.Definitions = handler.PruneDefaults(out.Definitions)
	return out
}

// v3 is the same in OpenAPI v3, which can also say that a value is one of several types.
func (d *document) v3(version string) *spec3.OpenAPI {
	out := openapiconv.ConvertV2ToV3(d.swagger(version))
	for name, several := range d.schemas.oneOf {
		definition := out.Components.Schemas[name]
		definition.Type = nil
		definition.OneOf = common.GenerateOpenAPIV3OneOfSchema(several)
	}
	return out
}

func (d *document) swagger(version string) *spec.Swagger {
	return &spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger:     "2.0",
		Info:        &spec.Info{InfoProps: spec.InfoProps{Title: "Kubernetes", Version: version}},
		Paths:       &spec.Paths{Paths: d.paths},
		Definitions: d.schemas.definitions,
	}}
}

// markType says of a type's definition that it is the kind.
func (d *document) markType(t reflect.Type, gvk schema.GroupVersionKind) {
	d.mark(d.schemas.schema(t), gvk)
}

// mark says of the definition that the reference leads to that it is the kind.
func (d *document) mark(reference *spec.Schema, gvk schema.GroupVersionKind) {
	name := strings.TrimPrefix(reference.Ref.String(), definitionPrefix)
	definition := d.schemas.definitions[name]
	known, _ := definition.Extensions[gvkExtension].([]any)
	if entry := gvkMap(gvk); !slices.ContainsFunc(known, func(k any) bool { return reflect.DeepEqual(k, entry) }) {
		definition.AddExtension(gvkExtension, append(known, entry))
	}
	d.schemas.definitions[name] = definition
}

func gvkMap(gvk schema.GroupVersionKind) any {
	return map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind}
}

// addKind enters the paths of one kind: its collection in a namespace and in all of them, its objects, and the
// subresources below those.
func (d *document) addKind(k kind) {
	d.mark(d.schema(k, itself{}), k.gvk)
	if k.NewList != nil {
		d.mark(d.schema(k, itsList{}), k.gvk.GroupVersion().WithKind(k.gvk.Kind+"List"))
	}

	namespaced := !k.ClusterScoped
	everywhere := "/" + root(k.gvk.GroupVersion()) + "/" + k.Plural
	collection := everywhere
	if namespaced {
		collection = "/" + root(k.gvk.GroupVersion()) + "/namespaces/{namespace}/" + k.Plural
	}
	scope := ""
	if namespaced {
		scope = "Namespaced"
	}
	for _, verb := range k.ServedVerbs() {
		operation, ok := operations[verb]
		if !ok {
			continue
		}
		if verb == "delete" && k.ReturnDeleted {
			operation.answer = itself{}
		}
		if verb == "patch" && k.object == nil {
			operation.consumes = slices.DeleteFunc(slices.Clone(operation.consumes), func(t string) bool {
				return t == string(types.StrategicMergePatchType)
			})
		}
		path := collection
		if operation.named {
			path += "/{name}"
		}
		d.add(k, path, k.gvk, scope+k.gvk.Kind, operation)
		if verb == "list" && namespaced {
			d.add(k, everywhere, k.gvk, k.gvk.Kind+"ForAllNamespaces", operation)
		}
	}
	for _, sub := range k.Subresources {
		d.addSubresource(k, sub, collection+"/{name}/"+sub.Name, scope+k.gvk.Kind+title(sub.Name))
	}
}

// addSubresource enters the operations of a subresource. They are those of an object, with the subresource's own body.
func (d *document) addSubresource(k kind, sub resources.Subresource, path, name string) {
	gvk, body := k.gvk, any(itself{})
	if !sub.Kind.Empty() {
		gvk = sub.Kind
	}
	if sub.New != nil {
		body = sub.New()
		d.markType(structOf(body), gvk)
	}
	for _, verb := range sub.Verbs {
		if o, ok := operations[verb]; ok {
			d.add(k, path, gvk, name, o.below(sub.Name, body))
		}
	}
}

// add enters one operation about gvk at path. The name is that of what it works on, "NamespacedPodStatus".
func (d *document) add(k kind, path string, gvk schema.GroupVersionKind, name string, o operation) {
	item := d.paths[path]
	item.Parameters = pathParameters(k, strings.Contains(path, "{namespace}"), o.named)
	described := d.describe(k, gvk, name, o)
	switch o.method {
	case "GET":
		item.Get = described
	case "PUT":
		item.Put = described
	case "POST":
		item.Post = described
	case "DELETE":
		item.Delete = described
	case "PATCH":
		item.Patch = described
	}
	d.paths[path] = item
}

// describe writes an operation out in OpenAPI v2.
func (d *document) describe(k kind, gvk schema.GroupVersionKind, name string, o operation) *spec.Operation {
	gv := k.gvk.GroupVersion()
	out := &spec.Operation{OperationProps: spec.OperationProps{
		ID:          o.id + title(label(gv.Group)) + title(gv.Version) + o.infix + name,
		Tags:        []string{label(gv.Group) + "_" + gv.Version},
		Description: describedFor(o.description, k.gvk.Kind),
		Consumes:    o.consumes,
		Produces:    produces(k, o),
	}}
	out.AddExtension("x-kubernetes-action", o.action)
	out.AddExtension(gvkExtension, gvkMap(gvk))
	if o.body != nil {
		out.Parameters = append(out.Parameters, bodyParameter(d.schema(k, o.body), o.method != "DELETE"))
	}
	out.Parameters = append(out.Parameters, queryParameters(o.options, o.omitted)...)

	responses := map[int]spec.Response{401: {ResponseProps: spec.ResponseProps{Description: "Unauthorized"}}}
	for _, code := range o.codes {
		responses[code] = spec.Response{ResponseProps: spec.ResponseProps{
			Description: http.StatusText(code), Schema: d.schema(k, o.answer),
		}}
	}
	out.Responses = &spec.Responses{ResponsesProps: spec.ResponsesProps{StatusCodeResponses: responses}}
	return out
}

// schema is that of the type of a body or an answer.
func (d *document) schema(k kind, body any) *spec.Schema {
	typed := k.object != nil
	switch body.(type) {
	case itself:
		if !typed {
			return d.schemas.unstructured(k)
		}
		return d.schemas.schema(k.object)
	case itsList:
		if !typed {
			return d.schemas.unstructuredList(k)
		}
		return d.schemas.schema(k.list)
	}
	return d.schemas.schema(structOf(body))
}

// produces are the media types of an answer. A list can also be watched, as a stream of events.
func produces(k kind, o operation) []string {
	if _, stream := o.answer.(string); stream {
		return []string{"text/plain"}
	}
	out := []string{runtime.ContentTypeJSON, runtime.ContentTypeYAML}
	binary := k.object != nil && encodable(k.object)
	if binary {
		out = append(out, runtime.ContentTypeProtobuf)
	}
	if o.action == "list" {
		out = append(out, runtime.ContentTypeJSON+";stream=watch")
		if binary {
			out = append(out, runtime.ContentTypeProtobuf+";stream=watch")
		}
	}
	return out
}
