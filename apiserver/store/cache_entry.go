package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
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
	// text is the object's JSON; nil for an object that is not stored, until it is asked for.
	text atomic.Pointer[text]

	fields  atomic.Pointer[fields.Set] // made when it is first asked for, as most are never
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
	t, err := e.shown()
	if err != nil {
		return nil, err
	}
	return t.bytes, nil
}

// Item is JSON without the brace that it begins with, as the items of a list are written: without kind and apiVersion, which are
// those of the list's, for a kind of Kubernetes, and with them for others, as upstream writes both.
func (e *Entry) Item() ([]byte, error) {
	t, err := e.shown()
	if err != nil {
		return nil, err
	}
	return t.bytes[t.item:], nil
}

// text is an object's JSON, kept once: as etcd holds it, without a resourceVersion, until somebody asks for it, and from then
// on with it.
type text struct {
	bytes    []byte
	item     int  // where an item of a list begins
	shown    bool // the resourceVersion is in bytes[from:to]
	from, to int
}

// shown is the text with its resourceVersion.
func (e *Entry) shown() (*text, error) {
	t := e.text.Load()
	if t != nil && t.shown {
		return t, nil
	}
	var err error
	if t == nil {
		t = &text{shown: true}
		if t.bytes, err = json.Marshal(e.Object); err == nil {
			t.item, err = itemOf(e.row, t.bytes)
		}
	} else {
		t, err = t.withRevision(e.row, e.Revision)
	}
	if err != nil {
		return nil, fmt.Errorf("encoding %s as JSON: %w", e.Key, err)
	}
	e.text.Store(t) // who comes at the same time makes the same
	return t, nil
}

// stores reports whether the value is what etcd holds of the object.
func (e *Entry) stores(value []byte) bool {
	t := e.text.Load()
	if t == nil || len(value) != len(t.bytes)-(t.to-t.from) {
		return false
	}
	return bytes.Equal(value[:t.from], t.bytes[:t.from]) && bytes.Equal(value[t.from:], t.bytes[t.to:])
}

// stored is what etcd holds of the object.
func (e *Entry) stored() []byte {
	t := e.text.Load()
	switch {
	case t == nil:
		return nil
	case !t.shown:
		return t.bytes
	}
	return slices.Concat(t.bytes[:t.from], t.bytes[t.to:])
}

// size is about how many bytes of memory the object takes: its text, and decoded and in another form about as much.
func (e *Entry) size() int64 {
	const overhead, forms = 1 << 10, 3
	t := e.text.Load()
	if t == nil {
		return overhead
	}
	return overhead + forms*int64(len(t.bytes))
}

// withRevision puts the resourceVersion first among the metadata.
func (t *text) withRevision(row *resources.Resource, revision int64) (*text, error) {
	_, from, err := metadataOf(t.bytes)
	if err != nil {
		return nil, err
	}
	out := &text{shown: true, from: from, bytes: make([]byte, 0, len(t.bytes)+40)}
	out.bytes = append(out.bytes, t.bytes[:from]...)
	out.bytes = append(out.bytes, `"resourceVersion":"`...)
	out.bytes = strconv.AppendInt(out.bytes, revision, 10)
	out.bytes = append(out.bytes, '"')
	if rest := bytes.TrimLeft(t.bytes[from:], " \t\r\n"); rest[0] != '}' {
		out.bytes = append(out.bytes, ',')
	}
	out.to = len(out.bytes)
	out.bytes = append(out.bytes, t.bytes[from:]...)
	out.item, err = itemOf(row, out.bytes)
	return out, err
}

// itemOf is where in an object's JSON an item of a list begins.
func itemOf(row *resources.Resource, object []byte) (int, error) {
	if row.Custom {
		return bytes.IndexByte(object, '{') + 1, nil
	}
	at, _, err := metadataOf(object) // kind and apiVersion stand before it: encode writes the fields of a Go type in their order
	return at, err
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
	e := &Entry{Key: key, Revision: revision, Object: obj, row: row}
	if stored != nil {
		e.text.Store(&text{bytes: stored})
	}
	return e
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
	return newEntry(row, e.Key, e.stored(), revision, e.Object.DeepCopyObject().(resources.Object))
}

// Unwritten is the entry of an object that is not stored: a dry run, another version of a stored one, a journal entry.
func Unwritten(row *resources.Resource, obj resources.Object) *Entry {
	return &Entry{Object: obj, row: row}
}

// Selectable are the names of the fields that a selector of the row may name.
func Selectable(row *resources.Resource) fields.Set { return selectable(row, row.New()) }
