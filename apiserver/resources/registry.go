package resources

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Registry has the rows that are served now. Kinds come and go while the server runs; whoever asks gets all rows of one moment,
// and no lock is taken for it.
type Registry struct {
	now atomic.Pointer[Rows]
	mu  sync.Mutex // held while the next rows are made of the present ones
}

// Rows are the kinds that are served at one moment. They are never changed: others take their place.
type Rows struct {
	// Generation counts the changes: what is made of the rows (discovery, OpenAPI) is made anew when it has grown.
	Generation int64
	// All rows, in the order of discovery.
	All []*Resource

	versions map[schema.GroupVersionResource]Version
	byName   map[schema.GroupResource]*Resource
}

// Version is a row in one of the versions in which it is served.
type Version struct {
	Row    *Resource
	Served *Served // nil for the stored version
}

// NewRegistry serves the rows. Two rows that are served at one path, or as one kind, are an error.
func NewRegistry(rows []*Resource) (*Registry, error) {
	first, err := newRows(1, rows)
	if err != nil {
		return nil, err
	}
	g := &Registry{}
	g.now.Store(first)
	return g, nil
}

// Rows are those that are served now.
func (g *Registry) Rows() *Rows { return g.now.Load() }

// Add serves one more row, behind the others. It fails where another row is served at one of its paths or as its kind.
func (g *Registry) Add(row *Resource) error {
	return g.change(func(rows []*Resource) []*Resource { return append(rows, row) })
}

// Check says why the row could not be added now.
func (g *Registry) Check(row *Resource) error {
	_, err := newRows(0, append(slices.Clone(g.Rows().All), row))
	return err
}

// Remove serves the row no longer. A row that is not served stays so.
func (g *Registry) Remove(row *Resource) {
	// What is left was served side by side before, so this can't fail.
	_ = g.change(func(rows []*Resource) []*Resource {
		return slices.DeleteFunc(rows, func(r *Resource) bool { return r == row })
	})
}

// change makes the next rows of a copy of the present ones.
func (g *Registry) change(next func([]*Resource) []*Resource) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now.Load()
	rows, err := newRows(now.Generation+1, next(slices.Clone(now.All)))
	if err != nil {
		return err
	}
	g.now.Store(rows)
	return nil
}

func newRows(generation int64, all []*Resource) (*Rows, error) {
	r := &Rows{
		Generation: generation, All: all,
		versions: map[schema.GroupVersionResource]Version{}, byName: map[schema.GroupResource]*Resource{},
	}
	kinds := map[schema.GroupVersionKind]string{}
	for _, row := range all {
		r.byName[row.GroupResource()] = row
		versions := []Version{{Row: row}}
		for i := range row.Served {
			versions = append(versions, Version{row, &row.Served[i]})
		}
		for _, v := range versions {
			path := v.Kind().GroupVersion().WithResource(row.Plural)
			if _, taken := r.versions[path]; taken {
				return nil, fmt.Errorf("%s is served already", path.String())
			}
			if plural, taken := kinds[v.Kind()]; taken {
				return nil, fmt.Errorf("%s is the kind of %s already, and can't be that of %s as well", v.Kind(), plural, row.Plural)
			}
			r.versions[path], kinds[v.Kind()] = v, row.Plural
		}
	}
	return r, nil
}

// Kind is the kind of the version.
func (v Version) Kind() schema.GroupVersionKind {
	if v.Served != nil {
		return v.Served.Kind
	}
	return v.Row.Kind
}

// Find is what is served at the path of that group, version and plural.
func (r *Rows) Find(path schema.GroupVersionResource) (Version, bool) {
	v, ok := r.versions[path]
	return v, ok
}

// Named is the row that is stored in the group under the plural, or nil.
func (r *Rows) Named(group, plural string) *Resource {
	return r.byName[schema.GroupResource{Group: group, Resource: plural}]
}
