package openapi

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"minik.dev/apiserver/resources"
)

// Types are the types of the fields of an unstructured kind, in all versions that have a schema, for whoever merges objects.
func Types(row *resources.Resource) (managedfields.TypeConverter, error) {
	merging, err := newMerging()
	if err != nil {
		return nil, err
	}
	described := newDocument(kindsOf([]*resources.Resource{row}), merging).v3("")
	return managedfields.NewTypeConverter(described.Components.Schemas, false)
}

// reversed is how upstream names the definitions of a group that is a domain: its labels in reverse, and the version.
func reversed(gv schema.GroupVersion) string {
	labels := strings.Split(gv.Group, ".")
	slices.Reverse(labels)
	return strings.Join(append(labels, gv.Version), ".")
}

// unstructured enters the definition of a kind that no Go type describes: its schema, with what every object has.
func (s *schemas) unstructured(k kind) *spec.Schema {
	name := reversed(k.gvk.GroupVersion()) + "." + k.gvk.Kind
	if _, ok := s.definitions[name]; !ok {
		out := spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}}}
		if given := k.SchemaOf(k.gvk); given != nil {
			out = *given
			out.Properties = maps.Clone(given.Properties)
		} else {
			out.AddExtension("x-kubernetes-preserve-unknown-fields", true)
		}
		s.enterMeta(&out, s.schema(reflect.TypeFor[metav1.ObjectMeta]()))
		s.definitions[name] = out
	}
	return spec.RefSchema(definitionPrefix + name)
}

// unstructuredList is the definition of a list of such a kind.
func (s *schemas) unstructuredList(k kind) *spec.Schema {
	name := reversed(k.gvk.GroupVersion()) + "." + k.gvk.Kind + "List"
	if _, ok := s.definitions[name]; !ok {
		out := spec.Schema{SchemaProps: spec.SchemaProps{Description: k.gvk.Kind + "List is a list of " + k.gvk.Kind,
			Type: []string{"object"}, Required: []string{"items"}}}
		items := spec.ArrayProperty(s.unstructured(k))
		items.Description = "List of " + k.Plural
		out.SetProperty("items", *items)
		s.enterMeta(&out, s.schema(reflect.TypeFor[metav1.ListMeta]()))
		s.definitions[name] = out
	}
	return spec.RefSchema(definitionPrefix + name)
}

// enterMeta enters the fields of an object's kind and metadata, in the words of those of every kind.
func (s *schemas) enterMeta(out, metadata *spec.Schema) {
	said := metav1.TypeMeta{}.SwaggerDoc()
	for _, name := range []string{"apiVersion", "kind"} {
		field := spec.StringProperty()
		field.Description = said[name]
		out.SetProperty(name, *field)
	}
	out.SetProperty("metadata", *metadata)
}
