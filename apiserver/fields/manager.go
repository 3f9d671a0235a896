package fields

import (
	"fmt"
	"hash/maphash"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"minik.dev/apiserver/openapi"
	"minik.dev/apiserver/resources"
)

// Managers keeps track of who owns which field of an object (metadata.managedFields): with apimachinery's own
// library, one manager for each kind and subresource, made when it is first needed.
type Managers struct {
	scheme *runtime.Scheme

	mu       sync.Mutex
	managers map[managerKey]*managedfields.FieldManager // guarded by mu
	types    managedfields.TypeConverter                // guarded by mu; made once, it reads a large schema
	// made remembers the fields of objects that were made, by their shape; guarded by mu, at most maxShapes.
	made map[shapeKey]*metav1.FieldsV1
	seed maphash.Seed
}

// managerKey is a row, the kind as which its objects are written, and the subresource that they are written by.
type managerKey struct {
	row         *resources.Resource
	kind        schema.GroupVersionKind
	subresource string
}

// shapeKey is a row, the kind as which its objects are written, and the shape of one.
type shapeKey struct {
	row   *resources.Resource
	kind  schema.GroupVersionKind
	shape uint64
}

// maxShapes bounds what is remembered of shapes; when there are more, all are forgotten.
const maxShapes = 2000

// New knows the Go types of the scheme. It reads nothing yet: schemas are read when they are first needed.
func New(scheme *runtime.Scheme) *Managers {
	return &Managers{
		scheme: scheme, managers: map[managerKey]*managedfields.FieldManager{},
		made: map[shapeKey]*metav1.FieldsV1{}, seed: maphash.MakeSeed(),
	}
}

// Create notes in the managedFields of a new object that the manager has set all of it, in the version of the kind that it
// wrote.
func (f *Managers) Create(row *resources.Resource, kind schema.GroupVersionKind, obj resources.Object, manager string,
	now time.Time) error {
	obj.SetManagedFields(nil)
	shape := newShaper(f.seed)
	shape.add(reflect.ValueOf(writtenAs(row, kind, obj)), false)
	key := shapeKey{row, kind, shape.sum()}
	f.mu.Lock()
	fields := f.made[key]
	f.mu.Unlock()
	if fields != nil {
		obj.SetManagedFields([]metav1.ManagedFieldsEntry{{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: kind.GroupVersion().String(),
			Time: &metav1.Time{Time: now.UTC().Truncate(time.Second)}, FieldsType: "FieldsV1", FieldsV1: fields,
		}})
		return nil
	}
	if err := f.Update(row, kind, "", row.New(), obj, manager); err != nil {
		return err
	}
	if entries := obj.GetManagedFields(); len(entries) == 1 {
		f.mu.Lock()
		if len(f.made) >= maxShapes {
			clear(f.made)
		}
		f.made[key] = entries[0].FieldsV1
		f.mu.Unlock()
	}
	return nil
}

// writtenAs is the stored object in the version of the kind.
func writtenAs(row *resources.Resource, kind schema.GroupVersionKind, obj resources.Object) resources.Object {
	for _, served := range row.Served {
		if served.Kind == kind {
			return served.From(obj)
		}
	}
	return obj
}

// Update notes in the managedFields of obj what the manager has changed of old, in the version of the kind that it wrote. Both
// objects are of the stored one.
func (f *Managers) Update(row *resources.Resource, kind schema.GroupVersionKind, subresource string,
	old, obj resources.Object, manager string) error {
	m, err := f.Of(row, kind, subresource)
	if err != nil {
		return err
	}
	owned := m.UpdateNoErrors(old, obj, manager)
	if accessor, ok := owned.(resources.Object); ok && accessor != obj {
		obj.SetManagedFields(accessor.GetManagedFields())
	}
	return nil
}

// Of is the manager of what is written as the kind: the row's own, a further version of it, or that of a subresource.
func (f *Managers) Of(row *resources.Resource, kind schema.GroupVersionKind,
	subresource string) (*managedfields.FieldManager, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := managerKey{row, kind, subresource}
	if m, ok := f.managers[key]; ok {
		return m, nil
	}
	types, err := f.typesOf(row, kind)
	if err != nil {
		return nil, err
	}
	hub := row.Kind.GroupVersion()
	if kind.Kind != row.Kind.Kind { // a Scale
		hub = kind.GroupVersion()
	}
	convert := versions{f.scheme, row}
	m, err := managedfields.NewDefaultFieldManager(types, convert, defaulter{row}, convert, kind, hub, subresource,
		resetFields(row, subresource))
	if err != nil {
		return nil, fmt.Errorf("making the field manager of %s: %w", row.Plural, err)
	}
	f.managers[key] = m
	return m, nil
}

// typesOf is what is known of the types of the kind's fields: which lists are keyed by what, which maps are one piece. Of
// Kubernetes' kinds client-go knows it, of an unstructured kind its schema tells it; of any other it is deduced from the values.
// The caller holds mu.
func (f *Managers) typesOf(row *resources.Resource, kind schema.GroupVersionKind) (managedfields.TypeConverter, error) {
	switch own := kind.Kind == row.Kind.Kind; { // a Scale is in no schema
	case own && !row.Custom:
		if f.types == nil {
			f.types = &trusting{TypeConverter: applyconfigurations.NewTypeConverter(f.scheme)}
		}
		return f.types, nil
	case own && row.SchemaOf(kind) != nil:
		types, err := openapi.Types(row)
		if err != nil {
			return nil, fmt.Errorf("reading the schema of %s: %w", row.GroupResource(), err)
		}
		return types, nil
	}
	return managedfields.NewDeducedTypeConverter(), nil
}

// Forget drops what is remembered of a row that is served no longer.
func (f *Managers) Forget(row *resources.Resource) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.managers, func(key managerKey, _ *managedfields.FieldManager) bool { return key.row == row })
	maps.DeleteFunc(f.made, func(key shapeKey, _ *metav1.FieldsV1) bool { return key.row == row })
}

// resetFields are those that a write cannot own because the server puts them back: the status for a write of the object, and
// what a subresource says of itself for a write of that.
func resetFields(row *resources.Resource, subresource string) map[fieldpath.APIVersion]fieldpath.Filter {
	var resets []string
	if sub, ok := row.Subresource(subresource); ok {
		resets = sub.Resets
	} else if _, ok := row.Subresource("status"); ok {
		resets = []string{"status"}
	}
	if len(resets) == 0 {
		return nil
	}
	paths := fieldpath.NewSet()
	for _, path := range resets {
		var parts []any
		for part := range strings.SplitSeq(path, ".") {
			parts = append(parts, part)
		}
		paths.Insert(fieldpath.MakePathOrDie(parts...))
	}
	put := fieldpath.NewExcludeSetFilter(paths)
	filters := map[fieldpath.APIVersion]fieldpath.Filter{fieldpath.APIVersion(row.Kind.GroupVersion().String()): put}
	for _, served := range row.Served {
		filters[fieldpath.APIVersion(served.Kind.GroupVersion().String())] = put
	}
	return filters
}

// versions converts between the versions that a row is served in, by way of the stored one.
type versions struct {
	*runtime.Scheme
	row *resources.Resource
}

// ConvertToVersion is runtime.ObjectConvertor's. What comes back is of a Go type. It is the object itself where that has the
// version already, as upstream's: the library reads what it converts.
func (v versions) ConvertToVersion(in runtime.Object, target runtime.GroupVersioner) (runtime.Object, error) {
	if obj, ok := in.(*unstructured.Unstructured); ok && v.row.Unstructured() {
		return v.convert(obj, obj.GroupVersionKind().GroupVersion(), target)
	}
	if _, document := in.(runtime.Unstructured); !document && target == in.GetObjectKind().GroupVersionKind().GroupVersion() {
		return in, nil
	}
	kinds, _, err := v.ObjectKinds(in)
	if err != nil || len(v.row.Served) == 0 {
		return v.Scheme.ConvertToVersion(in, target)
	}
	from := kinds[0].GroupVersion()
	same, err := v.Scheme.ConvertToVersion(in, from)
	obj, ok := same.(resources.Object)
	if err != nil || !ok {
		return same, err
	}
	return v.convert(obj, from, target)
}

// convert makes the object of one version of the row one of another.
func (v versions) convert(obj resources.Object, from schema.GroupVersion, target runtime.GroupVersioner) (runtime.Object, error) {
	if target == from {
		return obj, nil
	}
	to, out := v.row.Kind, obj
	for _, served := range v.row.Served {
		if served.Kind.GroupVersion() == from {
			out = served.To(obj)
		}
	}
	for _, served := range v.row.Served {
		if served.Kind.GroupVersion() == target {
			to, out = served.Kind, served.From(out)
		}
	}
	if to.GroupVersion() != target {
		return v.Scheme.ConvertToVersion(obj, target) // which says that there is no such version
	}
	out.GetObjectKind().SetGroupVersionKind(to)
	return out, nil
}

// New is runtime.ObjectCreater's.
func (v versions) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	if !v.row.Unstructured() || kind.Kind != v.row.Kind.Kind {
		return v.Scheme.New(kind)
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	return obj, nil
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

// trusting converts without checking against the schema what is of a Go type: such an object was decoded, or is stored, and
// has no fields but those of its type. The check is half of the cost of every update. What comes as a document, the
// configuration that somebody applies, is checked.
type trusting struct {
	managedfields.TypeConverter
	types sync.Map // the typed.ParseableType of each kind that was met
}

// ObjectToTyped converts the object; kinds without a schema are an error.
func (t *trusting) ObjectToTyped(obj runtime.Object, options ...typed.ValidationOptions) (*typed.TypedValue, error) {
	if _, document := obj.(runtime.Unstructured); document {
		return t.TypeConverter.ObjectToTyped(obj, options...)
	}
	kind := obj.GetObjectKind().GroupVersionKind()
	known, ok := t.types.Load(kind)
	if !ok {
		first, err := t.TypeConverter.ObjectToTyped(obj, options...)
		if err == nil {
			t.types.Store(kind, typed.ParseableType{TypeRef: first.TypeRef(), Schema: first.Schema()})
		}
		return first, err
	}
	v, err := value.NewValueReflect(obj)
	if err != nil {
		return nil, fmt.Errorf("reading the fields of a %s: %w", kind.Kind, err)
	}
	of := known.(typed.ParseableType)
	return typed.AsTypedUnvalidated(v, of.Schema, of.TypeRef), nil //nolint:staticcheck // a Go type fits its own schema
}
