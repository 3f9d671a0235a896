package openapi

import (
	"reflect"
	"strings"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// definitionPrefix is where a reference of an OpenAPI v2 document points to.
const definitionPrefix = "#/definitions/"

// schemas collects the definitions of Go types, each with all that it refers to. The schemas are those of OpenAPI v2.
type schemas struct {
	definitions spec.Definitions
	// oneOf has the JSON types of a definition that allows several, such as IntOrString: OpenAPI v3 can say so, v2
	// cannot.
	oneOf map[string][]string
	// names says how the types of a package are named that do not name themselves: a prefix by package path.
	names   map[string]string
	merging merging
}

// formattedType is implemented by types that are written otherwise than their fields are: a Time is a string.
type formattedType interface {
	OpenAPISchemaType() []string
	OpenAPISchemaFormat() string
}

// severalTypes is implemented by types that may be written as one of several JSON types.
type severalTypes interface{ OpenAPIV3OneOfTypes() []string }

func newSchemas(names map[string]string, merging merging) *schemas {
	return &schemas{definitions: spec.Definitions{}, oneOf: map[string][]string{}, names: names, merging: merging}
}

// schema is what stands for t where it is used: a reference to its definition if it has one, else the schema itself.
// Pointers do not show: that a field may be left out is said by the struct that has it.
func (s *schemas) schema(t reflect.Type) *spec.Schema {
	if format, ok := reflect.Zero(t).Interface().(formattedType); ok && t.Kind() != reflect.Pointer {
		return s.reference(t, func() *spec.Schema { return formatted(t, format) })
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.schema(t.Elem())
	case reflect.Struct:
		return s.reference(t, func() *spec.Schema { return s.object(t) })
	case reflect.Map:
		return spec.MapProperty(s.schema(t.Elem()))
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return spec.StrFmtProperty("byte")
		}
		return spec.ArrayProperty(s.schema(t.Elem()))
	case reflect.Interface:
		return new(spec.Schema)
	}
	schemaType, format := common.OpenAPITypeFormat(t.Kind().String())
	return &spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{schemaType}, Format: format}}
}

// reference makes the definition of t if it is not there yet, and returns a reference to it. The definition is entered
// before it is made, so that a type which contains itself ends in a reference.
func (s *schemas) reference(t reflect.Type, define func() *spec.Schema) *spec.Schema {
	name := s.name(t)
	if _, ok := s.definitions[name]; !ok {
		s.definitions[name] = spec.Schema{}
		definition := define()
		if text, ok := words[name]; ok && definition.Description == "" {
			definition.Description = text
		}
		s.merging.enter(name, definition)
		s.definitions[name] = *definition
		if several, ok := reflect.Zero(t).Interface().(severalTypes); ok {
			s.oneOf[name] = several.OpenAPIV3OneOfTypes()
		}
	}
	return spec.RefSchema(definitionPrefix + name)
}

func formatted(t reflect.Type, format formattedType) *spec.Schema {
	return &spec.Schema{SchemaProps: spec.SchemaProps{
		Description: describe(t)[""], Type: format.OpenAPISchemaType(), Format: format.OpenAPISchemaFormat(),
	}}
}

// object is the schema of a struct.
func (s *schemas) object(t reflect.Type) *spec.Schema {
	out := &spec.Schema{SchemaProps: spec.SchemaProps{Description: describe(t)[""], Type: []string{"object"}}}
	s.properties(t, out)
	return out
}

// properties enters the fields of t into out, those of inlined structs among them. A field is required when
// encoding/json writes it always, unless corrected.
func (s *schemas) properties(t reflect.Type, out *spec.Schema) {
	docs, corrected := describe(t), corrections[s.name(t)]
	for i := range t.NumField() {
		field := t.Field(i)
		name, optional, ok := jsonName(field)
		if !ok {
			continue
		}
		if name == "" {
			s.properties(indirect(field.Type), out)
			continue
		}
		property := *s.schema(field.Type)
		property.Description = docs[name]
		for _, tag := range []struct{ name, extension string }{
			{"patchMergeKey", "x-kubernetes-patch-merge-key"},
			{"patchStrategy", "x-kubernetes-patch-strategy"},
		} {
			if value := field.Tag.Get(tag.name); value != "" {
				property.AddExtension(tag.extension, value)
			}
		}
		out.SetProperty(name, property)
		required, ok := corrected[name]
		if required || !ok && !optional {
			out.AddRequired(name)
		}
	}
}

// jsonName is the name under which encoding/json writes the field: "" for a struct whose fields stand in its place, and
// not ok for a field that is not written.
func jsonName(field reflect.StructField) (name string, optional, ok bool) {
	tag := field.Tag.Get("json")
	if tag == "-" || !field.IsExported() {
		return "", false, false
	}
	name, rest, _ := strings.Cut(tag, ",")
	optional = strings.Contains(rest, "omitempty") || strings.Contains(rest, "omitzero")
	if name == "" && !field.Anonymous {
		name = field.Name
	}
	return name, optional, true
}

// name is the name of the definition of t. Upstream's types name themselves; the prefix of another is its package's.
func (s *schemas) name(t reflect.Type) string {
	named := func(value any) (string, bool) {
		if n, ok := value.(interface{ OpenAPIModelName() string }); ok {
			return n.OpenAPIModelName(), true
		}
		return "", false
	}
	if name, ok := own(t, named); ok {
		return name
	}
	prefix, ok := s.names[t.PkgPath()]
	if !ok {
		prefix = strings.ReplaceAll(t.PkgPath(), "/", ".")
	}
	return prefix + "." + t.Name()
}

// describe is the documentation of a type ("") and of its fields, by their names in JSON.
func describe(t reflect.Type) map[string]string {
	documented := func(value any) (map[string]string, bool) {
		if d, ok := value.(interface{ SwaggerDoc() map[string]string }); ok {
			return d.SwaggerDoc(), true
		}
		return nil, false
	}
	docs, _ := own(t, documented)
	return docs
}

// own is what the type says of itself. Go promotes the methods of an embedded type, and then a struct with a TypeMeta
// would go by the TypeMeta's name: what an embedded type says too is not the type's own.
func own[T any](t reflect.Type, ask func(any) (T, bool)) (T, bool) {
	var nothing T
	said, ok := ask(reflect.Zero(t).Interface())
	if !ok || t.Kind() != reflect.Struct {
		return said, ok
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.Anonymous {
			continue
		}
		embedded, ok := ask(reflect.Zero(indirect(field.Type)).Interface())
		if ok && reflect.DeepEqual(said, embedded) {
			return nothing, false
		}
	}
	return said, true
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// encodable reports whether objects of the type have a protobuf form.
func encodable(t reflect.Type) bool {
	_, ok := reflect.New(t).Interface().(interface{ Marshal() ([]byte, error) })
	return ok
}
