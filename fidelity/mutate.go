package fidelity

import (
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// mutator changes objects at one place at a time, as somebody who errs: what is there goes, becomes empty, negative or huge, is named
// badly or twice, or becomes what stands in the same field of another object that was written by hand. It finds the places by
// reflection, so that it knows no kind.
type mutator struct {
	r *rand.Rand
	// seen are values of a field of a Go type, from all objects that there are.
	seen map[fieldOf][]reflect.Value
}

func newMutator(r *rand.Rand) *mutator {
	return &mutator{r: r, seen: map[fieldOf][]reflect.Value{}}
}

// fieldOf is a field of a Go type: PodSpec's restartPolicy.
type fieldOf struct {
	in   reflect.Type
	name string
}

// place is a value that can be set, and how it is reached.
type place struct {
	value reflect.Value
	field fieldOf
	path  string
	set   func(reflect.Value) // for members of a map, which reflection can't set in place
}

// learn remembers what stands in the fields of the object.
func (m *mutator) learn(obj any) {
	for _, p := range places(obj) {
		if !p.value.IsZero() && p.field.in != nil && len(m.seen[p.field]) < 200 {
			m.seen[p.field] = append(m.seen[p.field], p.value)
		}
	}
}

// mutate changes the object in one place, whose path begins as given, and says where and how.
func (m *mutator) mutate(obj any, under string) string {
	all := slices.DeleteFunc(places(obj), func(p place) bool { return !strings.HasPrefix(p.path, under) })
	if len(all) == 0 {
		return "nothing"
	}
	p := all[m.r.Intn(len(all))]
	how, value := m.another(p)
	if !value.IsValid() || p.path == "" {
		return "nothing"
	}
	p.put(value)
	return p.path + " " + how
}

func (p place) put(v reflect.Value) {
	if p.set != nil {
		p.set(v)
		return
	}
	p.value.Set(v)
}

// another is a value that could stand in the place.
func (m *mutator) another(p place) (how string, v reflect.Value) {
	t := p.value.Type()
	if values := m.seen[p.field]; len(values) > 0 && values[0].Type() == t && m.r.Intn(3) == 0 {
		return "as elsewhere", deepCopy(values[m.r.Intn(len(values))])
	}
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		text := pick(m.r, []string{"0", "-1", "1", "500m", "0.5", "1Gi", "1500u", "100E", "1n"})
		return "is " + text, reflect.ValueOf(resource.MustParse(text))
	case reflect.TypeFor[metav1.Time]():
		return "is another time", reflect.ValueOf(metav1.NewTime(when.Add(time.Duration(m.r.Intn(1000)-500) * time.Hour)))
	case reflect.TypeFor[metav1.MicroTime]():
		return "is another time", reflect.ValueOf(metav1.NewMicroTime(when.Add(time.Duration(m.r.Intn(1000)-500) * time.Hour)))
	case reflect.TypeFor[intstr.IntOrString]():
		return "is another one", reflect.ValueOf(pick(m.r, []intstr.IntOrString{
			intstr.FromInt32(0), intstr.FromInt32(-1), intstr.FromInt32(80), intstr.FromInt32(70000), intstr.FromString("http"),
			intstr.FromString("50%"), intstr.FromString("101%"), intstr.FromString("0%"), intstr.FromString(""), intstr.FromString("No_Port"),
		}))
	case reflect.TypeFor[runtime.RawExtension]():
		return "is zero", reflect.Zero(t)
	}
	switch t.Kind() {
	case reflect.String:
		return m.text(p, t)
	case reflect.Bool:
		return "is the other", reflect.ValueOf(!p.value.Bool()).Convert(t)
	case reflect.Int32, reflect.Int64, reflect.Int, reflect.Int16, reflect.Int8:
		n := pick(m.r, []int64{0, 1, -1, 2, 100, 101, 65535, 65536, 30000, math.MaxInt32, 86401, p.value.Int() + 1})
		return fmt.Sprint("is ", n), reflect.ValueOf(n).Convert(t)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return "is 1", reflect.ValueOf(uint64(1)).Convert(t)
	case reflect.Pointer:
		if !p.value.IsNil() && m.r.Intn(2) == 0 {
			return "is gone", reflect.Zero(t)
		}
		n := reflect.New(t.Elem())
		if m.r.Intn(2) == 0 {
			m.furnish(n.Elem())
		}
		return "is there, of nothing", n
	case reflect.Slice:
		return m.list(p.value)
	case reflect.Map:
		return m.members(p.value)
	case reflect.Struct:
		n := reflect.New(t).Elem()
		if m.r.Intn(2) == 0 {
			m.furnish(n)
			return "is furnished", n
		}
		return "is empty", n
	}
	return "", reflect.Value{}
}

// texts are values that are wrong, or right, somewhere.
var texts = []string{
	"", "a", "web", "UPPER", "-bad", "bad-", "a/b", "a.b", "a..b", "with space", "unknown", "example.com/name", "/abs/path", "../up", "a:b",
	"kubernetes.io/x", "1.2.3.4", "01.2.3.4", "300.1.1.1", "::1", "2001:db8::1", "10.0.0.0/8", "10.0.0.1/8", "10.0.0.0/33", "None", "0", "-1", "65536",
	"a_b", "ünïcode", "requests.cpu", "hugepages-2Mi", "cpu", "memory", "$(VAR)", "*", "*.example.com", "localhost", strings.Repeat("a", 64), strings.Repeat("b", 254),
	strings.Repeat("c", 300), "\x00", "http://x", "127.0.0.1", "127.0.0.0/8", "169.254.0.1", "224.0.0.1", "0.0.0.0",
}

func (m *mutator) text(p place, t reflect.Type) (string, reflect.Value) {
	text := pick(m.r, texts)
	if m.r.Intn(8) == 0 {
		text = p.value.String() + pick(m.r, []string{"x", "-", ".", "_", "/x", " "})
	}
	short := text
	if len(short) > 20 {
		short = short[:20] + "…"
	}
	return fmt.Sprintf("is %q", short), reflect.ValueOf(text).Convert(t)
}

func (m *mutator) list(v reflect.Value) (string, reflect.Value) {
	t, n := v.Type(), v.Len()
	if n == 0 || m.r.Intn(4) == 0 {
		if m.r.Intn(4) == 0 {
			return "is empty", reflect.MakeSlice(t, 0, 0)
		}
		added := reflect.New(t.Elem()).Elem()
		m.furnish(added)
		return "has one more", reflect.Append(deepCopy(v), added)
	}
	switch m.r.Intn(5) {
	case 0:
		return "is gone", reflect.Zero(t)
	case 1:
		i := m.r.Intn(n)
		return "has one twice", reflect.Append(deepCopy(v), deepCopy(v.Index(i)))
	case 2:
		i := m.r.Intn(n)
		c := deepCopy(v)
		return "has one less", reflect.AppendSlice(c.Slice(0, i), c.Slice(i+1, n))
	case 3:
		return "has an empty one", reflect.Append(deepCopy(v), reflect.Zero(t.Elem()))
	default:
		c := deepCopy(v)
		i, j := m.r.Intn(n), m.r.Intn(n)
		a, b := deepCopy(c.Index(i)), deepCopy(c.Index(j))
		c.Index(i).Set(b)
		c.Index(j).Set(a)
		return "is in another order", c
	}
}

func (m *mutator) members(v reflect.Value) (string, reflect.Value) {
	t := v.Type()
	c := reflect.MakeMap(t)
	for it := v.MapRange(); it.Next(); {
		c.SetMapIndex(it.Key(), deepCopy(it.Value()))
	}
	switch m.r.Intn(4) {
	case 0:
		return "is gone", reflect.Zero(t)
	case 1:
		if v.Len() > 0 {
			keys := sorted(v)
			c.SetMapIndex(keys[m.r.Intn(len(keys))], reflect.Value{})
			return "has one less", c
		}
		return "is empty", c
	}
	_, key := m.another(place{value: reflect.New(t.Key()).Elem()})
	value := reflect.New(t.Elem()).Elem()
	if _, another := m.another(place{value: value}); another.IsValid() {
		value.Set(another)
	}
	c.SetMapIndex(key, value)
	return fmt.Sprintf("has %.20q too", key.String()), c
}

// furnish gives about half of the struct's fields what stands there elsewhere.
func (m *mutator) furnish(v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		if _, another := m.another(place{value: v}); another.IsValid() {
			v.Set(another)
		}
		return
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if values := m.seen[fieldOf{v.Type(), f.Name}]; f.IsExported() && len(values) > 0 && m.r.Intn(2) == 0 {
			v.Field(i).Set(deepCopy(values[m.r.Intn(len(values))]))
		}
	}
}

// settled are metadata that a server sets, or that a request's path says.
var settled = map[string]bool{
	"UID": true, "CreationTimestamp": true, "DeletionTimestamp": true, "DeletionGracePeriodSeconds": true, "ManagedFields": true,
	"SelfLink": true, "ResourceVersion": true, "Generation": true, "Namespace": true,
}

// whole are types whose inside is no place of its own.
var whole = map[reflect.Type]bool{
	reflect.TypeFor[resource.Quantity](): true, reflect.TypeFor[metav1.Time](): true, reflect.TypeFor[metav1.MicroTime](): true,
	reflect.TypeFor[intstr.IntOrString](): true, reflect.TypeFor[runtime.RawExtension](): true, reflect.TypeFor[metav1.FieldsV1](): true,
}

// places are all of an object, in the order of its fields.
func places(obj any) []place {
	var all []place
	var walk func(p place)
	walk = func(p place) {
		if p.path != "" {
			all = append(all, p)
		}
		v := p.value
		switch {
		case whole[v.Type()]:
		case v.Kind() == reflect.Pointer && !v.IsNil():
			walk(place{value: v.Elem(), path: p.path})
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				if !f.IsExported() || f.Type == reflect.TypeFor[metav1.TypeMeta]() || v.Type() == reflect.TypeFor[metav1.ObjectMeta]() && settled[f.Name] {
					continue
				}
				path := p.path + "." + jsonName(f)
				if f.Anonymous {
					path = p.path
				}
				walk(place{value: v.Field(i), field: fieldOf{v.Type(), f.Name}, path: path})
			}
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
			for i := range v.Len() {
				walk(place{value: v.Index(i), path: fmt.Sprintf("%s[%d]", p.path, i)})
			}
		case v.Kind() == reflect.Map:
			for _, key := range sorted(v) {
				all = append(all, place{
					value: v.MapIndex(key), path: fmt.Sprintf("%s[%s]", p.path, key), set: func(n reflect.Value) { v.SetMapIndex(key, n) },
				})
			}
		}
	}
	walk(place{value: reflect.ValueOf(obj).Elem()})
	return all
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}

// sorted are the keys of a map with names as its keys, in order.
func sorted(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.Intn(len(of))] }

// deepCopy copies everything that the value points to.
func deepCopy(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	switch {
	case v.Type() == reflect.TypeFor[resource.Quantity]():
		c.Set(reflect.ValueOf(v.Interface().(resource.Quantity).DeepCopy()))
	case whole[v.Type()]:
		c.Set(v)
	case v.Kind() == reflect.Pointer && !v.IsNil():
		c.Set(reflect.New(v.Type().Elem()))
		c.Elem().Set(deepCopy(v.Elem()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.Field(i).Set(deepCopy(v.Field(i)))
			}
		}
	case v.Kind() == reflect.Slice && !v.IsNil():
		c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			c.Index(i).Set(deepCopy(v.Index(i)))
		}
	case v.Kind() == reflect.Map && !v.IsNil():
		c.Set(reflect.MakeMap(v.Type()))
		for it := v.MapRange(); it.Next(); {
			c.SetMapIndex(it.Key(), deepCopy(it.Value()))
		}
	default:
		c.Set(v)
	}
	return c
}
