package openapi

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/kube-openapi/pkg/validation/spec"
	mergeschema "sigs.k8s.io/structured-merge-diff/v6/schema"
)

// merging is what server-side apply knows of upstream's types beyond their Go declarations: which lists are keyed by
// what, which maps are one piece, and what a field is when it is left out. Clients that merge by themselves read it
// from the OpenAPI documents.
type merging struct{ types *mergeschema.Schema }

// newMerging borrows the types that client-go's apply configurations come with; one object leads to all of them.
func newMerging() (merging, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return merging{}, fmt.Errorf("registering the core kinds: %w", err)
	}
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}}
	typed, err := applyconfigurations.NewTypeConverter(scheme).ObjectToTyped(pod)
	if err != nil {
		return merging{}, fmt.Errorf("reading the types of client-go's apply configurations: %w", err)
	}
	return merging{typed.Schema()}, nil
}

// enter adds to the definition and its properties what is known under its name.
func (m merging) enter(name string, definition *spec.Schema) {
	known, ok := m.types.FindNamedType(name)
	if !ok || known.Map == nil {
		return
	}
	if known.Map.ElementRelationship == mergeschema.Atomic {
		definition.AddExtension("x-kubernetes-map-type", "atomic")
	}
	for property, described := range definition.Properties {
		field, ok := known.Map.FindField(property)
		if !ok {
			continue
		}
		enterField(field, &described)
		definition.Properties[property] = described
	}
}

func enterField(field mergeschema.StructField, property *spec.Schema) {
	switch value := field.Default.(type) {
	case nil:
	case string, bool, int, int64, float64:
		property.Default = value
	default:
		// What is left is the empty structure, in whatever type the YAML reader made of it.
		property.Default = map[string]any{}
	}
	atom := field.Type.Inlined
	switch {
	case atom.Map != nil && atom.Map.ElementRelationship == mergeschema.Atomic,
		field.Type.ElementRelationship != nil && *field.Type.ElementRelationship == mergeschema.Atomic:
		property.AddExtension("x-kubernetes-map-type", "atomic")
	case atom.List != nil && atom.List.ElementRelationship == mergeschema.Atomic:
		property.AddExtension("x-kubernetes-list-type", "atomic")
	case atom.List != nil && len(atom.List.Keys) == 0:
		property.AddExtension("x-kubernetes-list-type", "set")
	case atom.List != nil:
		property.AddExtension("x-kubernetes-list-type", "map")
		property.AddExtension("x-kubernetes-list-map-keys", atom.List.Keys)
	}
}
