package apiserver

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"minik.dev/api"
	"minik.dev/apiserver/resources"
)

// fieldManagers keeps track of who owns which field of an object (metadata.managedFields): with apimachinery's own
// library, one manager for each row and subresource, made when it is first needed.
type fieldManagers struct {
	codecs *codecs

	mu       sync.Mutex
	managers map[string]*managedfields.FieldManager // by plural, group and subresource; guarded by mu
	types    managedfields.TypeConverter            // guarded by mu; made once, it reads a large schema
}

func newFieldManagers(c *codecs) *fieldManagers {
	return &fieldManagers{codecs: c, managers: map[string]*managedfields.FieldManager{}}
}

func (f *fieldManagers) of(row *resources.Resource, subresource string) (*managedfields.FieldManager, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := row.Kind.Group + "/" + row.Plural + "/" + subresource
	if m, ok := f.managers[key]; ok {
		return m, nil
	}
	types := managedfields.NewDeducedTypeConverter()
	if row.Kind.Group != api.GroupVersion.Group {
		if f.types == nil {
			f.types = applyconfigurations.NewTypeConverter(f.codecs.scheme)
		}
		types = f.types
	}
	m, err := managedfields.NewDefaultFieldManager(types, f.codecs.scheme, defaulter{row}, f.codecs.scheme, row.Kind,
		row.Kind.GroupVersion(), subresource, resetFields(row, subresource))
	if err != nil {
		return nil, fmt.Errorf("making the field manager of %s: %w", row.Plural, err)
	}
	f.managers[key] = m
	return m, nil
}

// resetFields are those that a write cannot own because the server puts them back: the status for a write of the object,
// everything else for a write of the status.
func resetFields(row *resources.Resource, subresource string) map[fieldpath.APIVersion]fieldpath.Filter {
	if _, ok := row.Subresource("status"); !ok {
		return nil
	}
	version := fieldpath.APIVersion(row.Kind.GroupVersion().String())
	path := "status"
	if subresource == "status" {
		path = "spec"
	}
	return map[fieldpath.APIVersion]fieldpath.Filter{
		version: fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie(path))),
	}
}

// defaulter gives an applied object its defaults.
type defaulter struct{ row *resources.Resource }

func (d defaulter) Default(in runtime.Object) {
	if obj, ok := in.(resources.Object); ok && d.row.Default != nil && sameType(obj, d.row) {
		d.row.Default(obj)
	}
}

func sameType(obj runtime.Object, row *resources.Resource) bool {
	return fmt.Sprintf("%T", obj) == fmt.Sprintf("%T", row.New())
}
