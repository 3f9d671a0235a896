package store

import (
	"strings"

	"minik.dev/apiserver/resources"
)

// The prefixes of everything that minik keeps in etcd.
const (
	registry = "/registry/"
	journals = "/minik/journal/"
	claims   = "/minik/claims/"
)

// prefix is what the keys of all of the row's objects begin with: /registry/pods/ for a kind of Kubernetes, and
// /registry/<group>/<resource>/ for any other, so that none can ever share keys with one of Kubernetes of the same name.
func prefix(row *resources.Resource) string {
	if row.Custom {
		return registry + row.Kind.Group + "/" + row.Plural + "/"
	}
	return registry + row.Plural + "/"
}

// Key is where the object of that name lies.
func Key(row *resources.Resource, namespace, name string) string {
	return Range(row, namespace) + name
}

// Range is what the keys of the row's objects in one namespace begin with; namespace "" is all of them.
func Range(row *resources.Resource, namespace string) string {
	if row.ClusterScoped || namespace == "" {
		return prefix(row)
	}
	return prefix(row) + namespace + "/"
}

// prefixOf is the prefix of the row that a key belongs to: its first path segment below the registry, or its first two
// where the first is a group. The groups of custom kinds have a dot, and no resource has one.
func prefixOf(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, registry)
	if !ok {
		return "", false
	}
	first, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return "", false
	}
	if !strings.Contains(first, ".") {
		return registry + first + "/", true
	}
	second, _, ok := strings.Cut(rest, "/")
	return registry + first + "/" + second + "/", ok
}
