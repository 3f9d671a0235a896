package openapi

import (
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/apiserver/resources"
)

// kind is one row in one of the versions in which it is served.
type kind struct {
	*resources.Resource
	gvk schema.GroupVersionKind
	// object and list are the Go types of this version: list is nil for a kind that is never listed, both are for an unstructured
	// one.
	object, list reflect.Type
}

func kindsOf(rows []*resources.Resource) []kind {
	var out []kind
	for _, row := range rows {
		if row.Unstructured() {
			out = append(out, kind{Resource: row, gvk: row.Kind})
			for _, served := range row.Served {
				out = append(out, kind{Resource: row, gvk: served.Kind})
			}
			continue
		}
		k := kind{Resource: row, gvk: row.Kind, object: structOf(row.New())}
		if row.NewList != nil {
			k.list = structOf(row.NewList())
		}
		out = append(out, k)
		for _, served := range row.Served {
			out = append(out, kind{row, served.Kind, structOf(served.New()), structOf(served.NewList())})
		}
	}
	return out
}

func structOf(object any) reflect.Type { return indirect(reflect.TypeOf(object)) }

// groupVersions are the versions that the kinds are served in, in their order.
func groupVersions(kinds []kind) []schema.GroupVersion {
	var out []schema.GroupVersion
	for _, k := range kinds {
		if gv := k.gvk.GroupVersion(); !slices.Contains(out, gv) {
			out = append(out, gv)
		}
	}
	return out
}

// root is the path below which a version is served, without the slash at its start.
func root(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "api/" + gv.Version
	}
	return "apis/" + gv.Group + "/" + gv.Version
}

// modelNames are the prefixes of the definitions of types that do not name themselves, by package: the group with its
// labels reversed, and the version, as upstream names the kinds of custom resources. "dev.minik.v1".
func modelNames(kinds []kind) map[string]string {
	out := map[string]string{}
	for _, k := range kinds {
		if k.object != nil {
			out[k.object.PkgPath()] = reversed(k.gvk.GroupVersion())
		}
	}
	return out
}

// label is the first label of the group, in which operations are named and tagged: "core", "apps", "events", "minik".
func label(group string) string {
	if group == "" {
		return "core"
	}
	first, _, _ := strings.Cut(group, ".")
	return first
}

// title makes a word begin with a capital: "scale" is Scale in the name of an operation.
func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
