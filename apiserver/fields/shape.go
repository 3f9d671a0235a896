package fields

import (
	"hash/maphash"
	"reflect"
	"sort"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// shaper hashes what decides which fields an object has: struct fields that are set, the keys of maps, and everything
// inside lists, because a list's items may be identified by any of their fields. Values outside of lists are left out. Two
// objects of one kind and one shape have the same set of fields, and so the same managedFields when they are made.
//
// The library computes that set from the object and its schema, in about 0.3 ms for a pod. Pods of one ReplicaSet have one
// shape, so its pods pay for it once.
type shaper struct {
	hash maphash.Hash
}

// newShaper makes a shaper whose hashes can be compared with those of others of the same seed.
func newShaper(seed maphash.Seed) *shaper {
	s := &shaper{}
	s.hash.SetSeed(seed)
	return s
}

// sum is the hash of everything added.
func (s *shaper) sum() uint64 { return s.hash.Sum64() }

// add takes in a value. inList says that its scalars count.
func (s *shaper) add(v reflect.Value, inList bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			s.mark(0)
			return
		}
		s.mark(byte(v.Elem().Kind())) // an unstructured object has a text where another has a list
		s.add(v.Elem(), inList)
	case reflect.Struct:
		s.addStruct(v, inList)
	case reflect.Map:
		s.addMap(v, inList)
	case reflect.Slice, reflect.Array:
		s.number(uint64(v.Len()))
		for i := range v.Len() {
			s.add(v.Index(i), true)
		}
	default:
		s.addScalar(v, inList)
	}
}

// The structs that are one value.
var (
	timeType      = reflect.TypeFor[metav1.Time]()
	microTimeType = reflect.TypeFor[metav1.MicroTime]()
	quantityType  = reflect.TypeFor[resource.Quantity]()
	intOrString   = reflect.TypeFor[intstr.IntOrString]()
)

func (s *shaper) addStruct(v reflect.Value, inList bool) {
	switch t := v.Type(); t { // to ask each struct for its interface would copy all of it
	case timeType:
		s.addTime(v.Interface().(metav1.Time).Time, inList)
	case microTimeType:
		s.addTime(v.Interface().(metav1.MicroTime).Time, inList)
	case quantityType:
		value := v.Interface().(resource.Quantity)
		s.mark(boolByte(value.IsZero()))
		if inList {
			s.text(value.String())
		}
	case intOrString:
		value := v.Interface().(intstr.IntOrString)
		s.text(value.String())
	default:
		for _, i := range exported(t) {
			s.add(v.Field(i), inList)
		}
	}
}

// exportedFields are the indexes of a struct type's exported fields, by type; the types are those of the API.
var exportedFields sync.Map

func exported(t reflect.Type) []int {
	if known, ok := exportedFields.Load(t); ok {
		return known.([]int)
	}
	var fields []int
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			fields = append(fields, i)
		}
	}
	exportedFields.Store(t, fields)
	return fields
}

func (s *shaper) addTime(t time.Time, inList bool) {
	s.mark(boolByte(t.IsZero()))
	if inList {
		s.number(uint64(t.UnixNano()))
	}
}

func (s *shaper) addMap(v reflect.Value, inList bool) {
	s.number(uint64(v.Len()))
	keys := make([]string, 0, v.Len())
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	sort.Strings(keys)
	for _, k := range keys {
		s.text(k)
		s.add(v.MapIndex(reflect.ValueOf(k).Convert(v.Type().Key())), inList)
	}
}

// addScalar takes in whether the value is there at all (zero values are left out of JSON) and, in a list, what it is.
func (s *shaper) addScalar(v reflect.Value, inList bool) {
	s.mark(boolByte(v.IsZero()))
	if !inList {
		return
	}
	switch v.Kind() {
	case reflect.String:
		s.text(v.String())
	case reflect.Bool:
		s.mark(boolByte(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.number(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		s.number(uint64(int64(v.Float() * 1e6)))
	}
}

func (s *shaper) mark(b byte) { _ = s.hash.WriteByte(b) } // a hash takes every byte

// text is preceded by its length, so that "ab","c" and "a","bc" differ.
func (s *shaper) text(t string) {
	s.number(uint64(len(t)))
	_, _ = s.hash.WriteString(t) // as above
}

func (s *shaper) number(n uint64) {
	var b [8]byte
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	_, _ = s.hash.Write(b[:]) // as above
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
