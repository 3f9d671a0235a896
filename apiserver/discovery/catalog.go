package discovery

import (
	"slices"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"minik.dev/apiserver/resources"
)

// catalog is the table of resources, sorted for discovery: groups in the order of their first row.
type catalog []group

// group holds the versions of one API group, the preferred one first.
type group struct {
	name     string
	versions []groupVersion
}

// groupVersion holds what one version of a group serves, sorted by plural name.
type groupVersion struct {
	schema.GroupVersion
	kinds []servedKind
}

// servedKind is one row in one of the versions in which it is served.
type servedKind struct {
	*resources.Resource
	kind schema.GroupVersionKind
}

func newCatalog(rows []*resources.Resource) catalog {
	var out catalog
	for _, row := range rows {
		out.add(servedKind{row, row.Kind})
		for _, served := range row.Served {
			out.add(servedKind{row, served.Kind})
		}
	}
	for _, g := range out {
		sort.SliceStable(g.versions, func(i, j int) bool {
			return version.CompareKubeAwareVersionStrings(g.versions[i].Version, g.versions[j].Version) > 0
		})
		for _, v := range g.versions {
			sort.SliceStable(v.kinds, func(i, j int) bool { return v.kinds[i].Plural < v.kinds[j].Plural })
		}
	}
	return out
}

func (c *catalog) add(k servedKind) {
	gi := slices.IndexFunc(*c, func(g group) bool { return g.name == k.kind.Group })
	if gi < 0 {
		gi = len(*c)
		*c = append(*c, group{name: k.kind.Group})
	}
	g := &(*c)[gi]
	vi := slices.IndexFunc(g.versions, func(v groupVersion) bool { return v.Version == k.kind.Version })
	if vi < 0 {
		vi = len(g.versions)
		g.versions = append(g.versions, groupVersion{GroupVersion: k.kind.GroupVersion()})
	}
	g.versions[vi].kinds = append(g.versions[vi].kinds, k)
}

// split parts the core group, whose name is empty and which is served below /api, from the named ones below /apis.
func (c catalog) split() (core, named catalog) {
	for _, g := range c {
		if g.name == "" {
			core = append(core, g)
		} else {
			named = append(named, g)
		}
	}
	return core, named
}

// bodyOf is the kind of a subresource's body: the object's own, in the version served, unless the row names another.
func (k servedKind) bodyOf(s resources.Subresource) schema.GroupVersionKind {
	if s.Kind.Empty() {
		return k.kind
	}
	return s.Kind
}
