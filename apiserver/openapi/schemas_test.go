package openapi

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"minik.dev/api"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
)

// node contains itself, as the schema of a custom resource does.
type node struct {
	metav1.TypeMeta `json:",inline"`

	Name     string            `json:"name"`
	Weight   *int32            `json:"weight,omitempty"`
	Note     string            `json:"note,omitempty"`
	Blob     []byte            `json:"blob,omitempty"`
	Children []node            `json:"children,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
	Parent   *node             `json:"parent,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Since    metav1.Time       `json:"since,omitzero"`
	Any      any               `json:"any,omitempty"`
	Hidden   string            `json:"-"`
	private  string
}

// leaf has nothing to say of itself; what its TypeMeta says is not about it.
type leaf struct {
	metav1.TypeMeta `json:",inline"`
}

func (node) SwaggerDoc() map[string]string {
	return map[string]string{"": "A node of a tree.", "name": "What it is called."}
}

func TestSchemaOfType(t *testing.T) {
	merging, err := newMerging()
	require.NoError(t, err)
	s := newSchemas(map[string]string{"minik.dev/apiserver/openapi": "dev.minik.test"}, merging)
	require.Equal(t, "#/definitions/dev.minik.test.node", ref(s.schema(reflect.TypeFor[*node]())))

	require.Equal(t, "#/definitions/dev.minik.test.leaf", ref(s.schema(reflect.TypeFor[leaf]())))
	require.Empty(t, s.definitions["dev.minik.test.leaf"].Description)

	got := s.definitions["dev.minik.test.node"]
	require.Equal(t, "A node of a tree.", got.Description)
	require.Equal(t, []string{"name"}, got.Required)
	require.NotContains(t, got.Properties, "Hidden")
	require.NotContains(t, got.Properties, node{private: "private"}.private)
	require.Equal(t, "What it is called.", got.Properties["name"].Description)
	require.Contains(t, got.Properties, "apiVersion")

	weight, blob, anything := got.Properties["weight"], got.Properties["blob"], got.Properties["any"]
	require.Equal(t, []any{"integer", "int32"}, []any{weight.Type[0], weight.Format})
	require.Equal(t, []any{"string", "byte"}, []any{blob.Type[0], blob.Format})
	require.Empty(t, anything.Type)
	require.Equal(t, "string", got.Properties["tags"].AdditionalProperties.Schema.Type[0])

	children, parent, since := got.Properties["children"], got.Properties["parent"], got.Properties["since"]
	require.Equal(t, "#/definitions/dev.minik.test.node", ref(children.Items.Schema))
	require.Equal(t, "#/definitions/dev.minik.test.node", ref(&parent))
	require.Equal(t, "merge", children.Extensions["x-kubernetes-patch-strategy"])
	require.Equal(t, "name", children.Extensions["x-kubernetes-patch-merge-key"])
	require.Equal(t, "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Time", ref(&since))
	require.Equal(t, "date-time", s.definitions["io.k8s.apimachinery.pkg.apis.meta.v1.Time"].Format)
}

func ref(s *spec.Schema) string { return s.Ref.String() }

// OpenAPI v3 says that a port is a number or a string, where v2 has to call it a string of a format of its own.
func TestIntOrString(t *testing.T) {
	const name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
	got := documentOf(t, "apps").Components.Schemas[name]
	require.Empty(t, got.Type)
	require.Equal(t, "int-or-string", got.Format)
	require.Equal(t, []string{"integer"}, []string(got.OneOf[0].Type))
	require.Equal(t, []string{"string"}, []string(got.OneOf[1].Type))
}

// What client-go knows of merging arrives in the documents: upstream's document has the same four lines.
func TestMerging(t *testing.T) {
	schemas := documentOf(t, "apps").Components.Schemas
	ports := schemas["io.k8s.api.core.v1.Container"].Properties["ports"]
	require.Equal(t, "map", ports.Extensions["x-kubernetes-list-type"])
	require.Equal(t, []string{"containerPort", "protocol"}, ports.Extensions["x-kubernetes-list-map-keys"])
	require.Equal(t, "atomic", schemas["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"].
		Extensions["x-kubernetes-map-type"])
	require.Equal(t, "TCP", schemas["io.k8s.api.core.v1.ContainerPort"].Properties["protocol"].Default)
}

// A reader of managed fields makes its types of the v3 documents, and every object fits into its type.
func TestManagedFieldsFromDocument(t *testing.T) {
	for _, object := range []resources.Object{
		&appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}},
		&api.Control{
			TypeMeta: metav1.TypeMeta{APIVersion: "minik.dev/v1", Kind: "Control"},
			Spec:     api.ControlSpec{Stopped: true},
		},
	} {
		group := object.GetObjectKind().GroupVersionKind().Group
		converter, err := managedfields.NewTypeConverter(documentOf(t, group).Components.Schemas, false)
		require.NoError(t, err)
		_, err = converter.ObjectToTyped(object)
		require.NoError(t, err)
	}
}

// Every reference leads to a definition, and no kind of the table is left without one.
func TestDocumentsAreComplete(t *testing.T) {
	for _, group := range []string{"", "apps", "minik.dev"} {
		document := documentOf(t, group)
		eachSchema(document, func(s *spec.Schema) {
			if to := ref(s); to != "" {
				require.Contains(t, document.Components.Schemas, strings.TrimPrefix(to, "#/components/schemas/"))
			}
		})
	}
}

// eachSchema visits the schemas of the definitions, and those below them.
func eachSchema(document *spec3.OpenAPI, visit func(*spec.Schema)) {
	var walk func(*spec.Schema)
	walk = func(s *spec.Schema) {
		if s == nil {
			return
		}
		visit(s)
		for _, property := range s.Properties {
			walk(&property)
		}
		for _, part := range s.AllOf {
			walk(&part)
		}
		if s.Items != nil {
			walk(s.Items.Schema)
		}
		if s.AdditionalProperties != nil {
			walk(s.AdditionalProperties.Schema)
		}
	}
	for _, definition := range document.Components.Schemas {
		walk(definition)
	}
}

// A correction that names a field which is not there has outlived its reason.
func TestCorrectionsAreNeeded(t *testing.T) {
	merging, err := newMerging()
	require.NoError(t, err)
	s := newSchemas(nil, merging)
	for _, row := range builtin.All() {
		s.schema(reflect.TypeOf(row.New()).Elem())
		for _, v := range row.Served {
			s.schema(reflect.TypeOf(v.New()).Elem())
		}
	}
	for name, fields := range corrections {
		for field, required := range fields {
			_, ok := s.definitions[name].Properties[field]
			require.True(t, ok, "%s.%s", name, field)
			require.Equal(t, required, slices.Contains(s.definitions[name].Required, field), "%s.%s", name, field)
		}
	}
}

// Operations are named as upstream names them; clients generated from the document call them so.
func TestOperationNames(t *testing.T) {
	paths := documentOf(t, "").Paths.Paths
	const pods = "/api/v1/namespaces/{namespace}/pods"
	for id, operation := range map[string]*spec3.Operation{
		"listCoreV1PodForAllNamespaces":       paths["/api/v1/pods"].Get,
		"listCoreV1NamespacedPod":             paths[pods].Get,
		"createCoreV1NamespacedPod":           paths[pods].Post,
		"deleteCoreV1CollectionNamespacedPod": paths[pods].Delete,
		"readCoreV1NamespacedPod":             paths[pods+"/{name}"].Get,
		"replaceCoreV1NamespacedPodStatus":    paths[pods+"/{name}/status"].Put,
		"patchCoreV1NamespacedPod":            paths[pods+"/{name}"].Patch,
		"createCoreV1NamespacedPodEviction":   paths[pods+"/{name}/eviction"].Post,
		"readCoreV1NamespacedPodLog":          paths[pods+"/{name}/log"].Get,
		"readCoreV1Node":                      paths["/api/v1/nodes/{name}"].Get,
	} {
		require.NotNil(t, operation, id)
		require.Equal(t, id, operation.OperationId)
	}
	eviction := paths[pods+"/{name}/eviction"].Post
	require.Equal(t, map[string]any{"group": "policy", "version": "v1", "kind": "Eviction"},
		eviction.Extensions["x-kubernetes-group-version-kind"])
	require.Equal(t, "#/components/schemas/io.k8s.api.policy.v1.Eviction",
		ref(eviction.RequestBody.Content["*/*"].Schema))
}
