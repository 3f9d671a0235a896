package apiserver

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"minik.dev/apiserver/store"
)

// protoMagic begins every protobuf body, as upstream's serializer writes it.
const protoMagic = "k8s\x00"

// encode writes one object.
func (m media) encode(obj runtime.Object) ([]byte, error) {
	switch m.Type {
	case mediaProto:
		raw, err := marshalProto(obj)
		if err != nil {
			return nil, err
		}
		apiVersion, kind := obj.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
		return envelope(apiVersion, kind, raw), nil
	case mediaYAML:
		b, err := json.Marshal(obj)
		if err != nil {
			return nil, err
		}
		return jsonToYAML(b)
	default:
		b, err := json.Marshal(obj)
		if err == nil && m.Pretty {
			return indent(b)
		}
		return b, err
	}
}

func indent(b []byte) ([]byte, error) {
	var out bytes.Buffer
	err := json.Indent(&out, b, "", "  ")
	return out.Bytes(), err
}

// entryBytes are the bytes of one stored object in the version it is stored in. They are made once for each revision and
// media type and shared by everyone.
func (m media) entryBytes(e *store.Entry) ([]byte, error) {
	switch {
	case m.Type == mediaJSON && m.As == "" && !m.Pretty:
		return e.JSON()
	case m.Type == mediaProto && m.As == "":
		return e.Encoded(mediaProto, func() ([]byte, error) { return m.encode(e.Object) })
	case m.As == "PartialObjectMetadata" && !m.Pretty && m.Type != mediaYAML:
		return e.Encoded(m.Type+m.As+m.AsVersion, func() ([]byte, error) { return m.encode(partial(e.Object, m.AsVersion)) })
	default:
		return m.encode(e.Object)
	}
}

// itemBytes are the protobuf of one stored object as the item of a list: without the envelope.
func (m media) itemBytes(e *store.Entry) ([]byte, error) {
	return e.Encoded("item"+mediaProto, func() ([]byte, error) { return marshalProto(e.Object) })
}

func marshalProto(obj runtime.Object) ([]byte, error) {
	marshaler, ok := obj.(interface{ Marshal() ([]byte, error) })
	if !ok {
		return nil, fmt.Errorf("%T has no protobuf form", obj)
	}
	return marshaler.Marshal()
}

// envelope wraps an object's protobuf into runtime.Unknown: field 1 is the type (1 apiVersion, 2 kind), field 2 the
// object.
func envelope(apiVersion, kind string, raw []byte) []byte {
	var meta []byte
	meta = protowire.AppendTag(meta, 1, protowire.BytesType)
	meta = protowire.AppendString(meta, apiVersion)
	meta = protowire.AppendTag(meta, 2, protowire.BytesType)
	meta = protowire.AppendString(meta, kind)
	out := make([]byte, 0, len(protoMagic)+len(meta)+len(raw)+16)
	out = append(out, protoMagic...)
	out = protowire.AppendTag(out, 1, protowire.BytesType)
	out = protowire.AppendBytes(out, meta)
	out = protowire.AppendTag(out, 2, protowire.BytesType)
	return protowire.AppendBytes(out, raw)
}

// partial is the object's metadata alone.
func partial(obj metav1.Object, version string) *metav1.PartialObjectMetadata {
	p := &metav1.PartialObjectMetadata{}
	p.APIVersion, p.Kind = metav1.GroupName+"/"+version, "PartialObjectMetadata"
	p.Name, p.GenerateName, p.Namespace = obj.GetName(), obj.GetGenerateName(), obj.GetNamespace()
	p.UID, p.ResourceVersion, p.Generation = obj.GetUID(), obj.GetResourceVersion(), obj.GetGeneration()
	p.CreationTimestamp, p.DeletionTimestamp = obj.GetCreationTimestamp(), obj.GetDeletionTimestamp()
	p.DeletionGracePeriodSeconds = obj.GetDeletionGracePeriodSeconds()
	p.Labels, p.Annotations = obj.GetLabels(), obj.GetAnnotations()
	p.OwnerReferences, p.Finalizers = obj.GetOwnerReferences(), obj.GetFinalizers()
	p.ManagedFields = obj.GetManagedFields()
	return p
}

// list is the answer to a list request, before it is written.
type list struct {
	apiVersion, kind string
	meta             metav1.ListMeta
	entries          []*store.Entry
}

// piece is how much of a list is written at a time.
const piece = 256 << 10

// pieces are buffers for writing lists.
var pieces = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, piece)) }}

// writeList writes a list in JSON from the items' shared bytes, copied in large pieces.
func writeList(w io.Writer, l list) error {
	meta, err := json.Marshal(l.meta)
	if err != nil {
		return err
	}
	out := pieces.Get().(*bytes.Buffer)
	defer pieces.Put(out)
	out.Reset()
	fmt.Fprintf(out, `{"kind":%q,"apiVersion":%q,"metadata":%s,"items":[`, l.kind, l.apiVersion, meta)
	for i, e := range l.entries {
		item, err := e.Item()
		if err != nil {
			return err
		}
		if out.Len() > 0 && out.Len()+len(item)+2 > piece {
			if _, err := w.Write(out.Bytes()); err != nil {
				return err
			}
			out.Reset()
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('{')
		out.Write(item)
	}
	out.WriteString("]}\n")
	_, err = w.Write(out.Bytes())
	return err
}

// protoListBytes writes a list in protobuf from the items' shared bytes, in one piece: its length comes first.
func (m media) protoListBytes(l list) ([]byte, error) {
	items := make([][]byte, len(l.entries))
	size := 256
	for i, e := range l.entries {
		item, err := m.itemBytes(e)
		if err != nil {
			return nil, err
		}
		items[i] = item
		size += len(item) + 8
	}
	return protoList(l, items, size)
}

// protoList is a list's protobuf: in every list type of Kubernetes field 1 is the metadata and field 2 an item.
func protoList(l list, items [][]byte, size int) ([]byte, error) {
	meta, err := l.meta.Marshal()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 0, size)
	raw = protowire.AppendTag(raw, 1, protowire.BytesType)
	raw = protowire.AppendBytes(raw, meta)
	for _, item := range items {
		raw = protowire.AppendTag(raw, 2, protowire.BytesType)
		raw = protowire.AppendBytes(raw, item)
	}
	return envelope(l.apiVersion, l.kind, raw), nil
}

// writeFrame writes one event of a watch around the object's bytes, which are written as they are: what is kept for
// everyone who watches is the object.
func (m media) writeFrame(w io.Writer, event watch.EventType, object []byte) error {
	head, tail := m.frameHead(string(event), len(object)), ""
	if m.Type != mediaProto {
		tail = "}\n"
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	if _, err := w.Write(object); err != nil || tail == "" {
		return err
	}
	_, err := io.WriteString(w, tail)
	return err
}

// frameHead is what comes before an object of that many bytes. In protobuf it is the frame's length in four bytes, then
// metav1.WatchEvent: field 1 the type, field 2 a RawExtension, whose field 1 are the object's bytes.
func (m media) frameHead(event string, size int) []byte {
	if m.Type != mediaProto {
		return []byte(`{"type":"` + event + `","object":`)
	}
	raw := protowire.SizeTag(1) + protowire.SizeBytes(size)
	head := make([]byte, 4, 48)
	head = protowire.AppendTag(head, 1, protowire.BytesType)
	head = protowire.AppendString(head, event)
	head = protowire.AppendTag(head, 2, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(raw))
	head = protowire.AppendTag(head, 1, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	binary.BigEndian.PutUint32(head, uint32(len(head)-4+size))
	return head
}

// contentType is what the answer says it is.
func (m media) contentType(watch bool) string {
	switch {
	case m.Type == mediaProto && watch:
		return mediaProto + ";stream=watch"
	default:
		return m.Type
	}
}
