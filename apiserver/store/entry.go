package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/fields"

	"minik.dev/apiserver/resources"
)

// Entry is one object at one revision. It is shared by every reader, so nobody changes it.
type Entry struct {
	// Key is where the object lies in etcd.
	Key string
	// Revision is the etcd revision that wrote it: the object's resourceVersion.
	Revision int64
	// Object is the decoded object, of the row's stored version, with its resourceVersion set.
	Object resources.Object

	row *resources.Resource
	// stored is the object's JSON as etcd holds it: kind, apiVersion and metadata first, without a resourceVersion. It is
	// nil for an object that is not stored.
	stored []byte

	fields  atomic.Pointer[fields.Set] // made when it is first asked for, as most are never
	json    atomic.Pointer[jsonForm]   // made when it is first asked for
	mu      sync.Mutex
	encoded map[string][]byte // by media type and form; guarded by mu
}

// Fields are what a field selector may name.
func (e *Entry) Fields() fields.Set {
	if set := e.fields.Load(); set != nil {
		return *set
	}
	set := selectable(e.row, e.Object)
	e.fields.Store(&set) // who comes at the same time makes the same
	return set
}

// indexed is the value of the row's indexed field; "" where it has none.
func (e *Entry) indexed() string {
	if e.row.Indexed.Of == nil {
		return ""
	}
	return e.row.Indexed.Of(e.Object)
}

// Encoded returns the bytes that make returns, which is called once for each name.
func (e *Entry) Encoded(name string, make func() ([]byte, error)) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b, ok := e.encoded[name]; ok {
		return b, nil
	}
	b, err := make()
	if err != nil {
		return nil, fmt.Errorf("encoding %s as %s: %w", e.Key, name, err)
	}
	if e.encoded == nil {
		e.encoded = map[string][]byte{}
	}
	e.encoded[name] = b
	return b, nil
}

// JSON is the object's JSON in the stored version, with its resourceVersion: the stored bytes with one field put in.
func (e *Entry) JSON() ([]byte, error) {
	form, err := e.jsonForm()
	if err != nil {
		return nil, err
	}
	return form.whole, nil
}

// Item is JSON without the brace, kind and apiVersion that it begins with, as the items of a typed list are written.
func (e *Entry) Item() ([]byte, error) {
	form, err := e.jsonForm()
	if err != nil {
		return nil, err
	}
	return form.item, nil
}

// jsonForm is an object's JSON: whole, and the part of it that stands in lists.
type jsonForm struct{ whole, item []byte }

func (e *Entry) jsonForm() (*jsonForm, error) {
	if form := e.json.Load(); form != nil {
		return form, nil
	}
	var whole []byte
	var err error
	if e.stored == nil {
		whole, err = json.Marshal(e.Object)
	} else {
		whole, err = withRevision(e.stored, e.Revision)
	}
	if err != nil {
		return nil, fmt.Errorf("encoding %s as JSON: %w", e.Key, err)
	}
	form := &jsonForm{whole: whole, item: whole[max(bytes.Index(whole, metadataField), 0):]}
	e.json.Store(form) // who comes at the same time makes the same bytes
	return form, nil
}

// metadataField stands right behind kind and apiVersion in every stored object; neither of them can contain it.
var metadataField = []byte(`"metadata":{`)

// withRevision puts the resourceVersion first among the metadata.
func withRevision(stored []byte, revision int64) ([]byte, error) {
	at := bytes.Index(stored, metadataField)
	if at < 0 {
		return nil, fmt.Errorf("the stored object has no metadata: %.60q", stored)
	}
	at += len(metadataField)
	out := make([]byte, 0, len(stored)+40)
	out = append(out, stored[:at]...)
	out = append(out, `"resourceVersion":"`...)
	out = strconv.AppendInt(out, revision, 10)
	out = append(out, '"')
	if stored[at] != '}' {
		out = append(out, ',')
	}
	return append(out, stored[at:]...), nil
}

// encode is the object as it is stored. The resourceVersion is left out: etcd keeps it.
func encode(row *resources.Resource, obj resources.Object) ([]byte, error) {
	revision := obj.GetResourceVersion()
	obj.SetResourceVersion("")
	obj.GetObjectKind().SetGroupVersionKind(row.Kind)
	b, err := json.Marshal(obj)
	obj.SetResourceVersion(revision)
	if err != nil {
		return nil, fmt.Errorf("encoding %s %s/%s: %w", row.Plural, obj.GetNamespace(), obj.GetName(), err)
	}
	return b, nil
}

// decode reads what encode wrote, as it was at the revision.
func decode(row *resources.Resource, key string, value []byte, revision int64) (*Entry, error) {
	obj := row.New()
	if err := json.Unmarshal(value, obj); err != nil {
		return nil, fmt.Errorf("decoding %s at revision %d: %w", key, revision, err)
	}
	return newEntry(row, key, value, revision, obj), nil
}

// newEntry takes the object over and sets its resourceVersion.
func newEntry(row *resources.Resource, key string, stored []byte, revision int64, obj resources.Object) *Entry {
	obj.SetResourceVersion(strconv.FormatInt(revision, 10))
	obj.GetObjectKind().SetGroupVersionKind(row.Kind)
	return &Entry{Key: key, Revision: revision, Object: obj, row: row, stored: stored}
}

// selectable are the fields of obj that a field selector may name.
func selectable(row *resources.Resource, obj resources.Object) fields.Set {
	var set fields.Set
	if row.Fields != nil {
		set = row.Fields(obj)
	}
	if set == nil {
		set = fields.Set{}
	}
	set["metadata.name"] = obj.GetName()
	if !row.ClusterScoped {
		set["metadata.namespace"] = obj.GetNamespace()
	}
	return set
}

// at is the same object as its deletion shows it: as it was last, with the revision that removed it.
func (e *Entry) at(row *resources.Resource, revision int64) *Entry {
	return newEntry(row, e.Key, e.stored, revision, e.Object.DeepCopyObject().(resources.Object))
}

// Unwritten is the entry of an object that is not stored: a dry run, another version of a stored one, a journal entry.
func Unwritten(row *resources.Resource, obj resources.Object) *Entry {
	return &Entry{Object: obj, row: row}
}

// Selectable are the names of the fields that a selector of the row may name.
func Selectable(row *resources.Resource) fields.Set { return selectable(row, row.New()) }
