package history

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"sigs.k8s.io/yaml"

	"minik.dev/api"
	"minik.dev/journal"
)

// Diff shows in full what differs between two revisions, of the object or, without one, of all that was written between them.
func (r *Reader) Diff(ctx context.Context, from, to int64, object *journal.Object) (string, error) {
	for _, revision := range []int64{from, to} {
		if err := Kept(ctx, r.config, revision); err != nil {
			return "", err
		}
	}
	var objects []journal.Object
	var err error
	if object != nil {
		objects = append(objects, *object)
	} else if objects, err = r.written(ctx, min(from, to), max(from, to)); err != nil {
		return "", err
	}
	var out strings.Builder
	for _, object := range objects {
		text, err := r.diffOf(ctx, object, from, to)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// written are the objects that were written after one revision and up to another, in the order of their first write.
func (r *Reader) written(ctx context.Context, after, upTo int64) ([]journal.Object, error) {
	var newestFirst []journal.Object
	err := r.revisions(ctx, nil, 0, func(revision api.Revision) bool {
		n, err := ParseRevision(revision.ObjectMeta.Name)
		if err != nil || n <= after {
			return false
		}
		if n <= upTo {
			newestFirst = append(newestFirst, journal.ObjectOf(&revision))
		}
		return true
	})
	seen := map[journal.Object]bool{}
	var objects []journal.Object
	for i := len(newestFirst) - 1; i >= 0; i-- {
		if o := newestFirst[i]; !seen[o] {
			seen[o] = true
			objects = append(objects, o)
		}
	}
	return objects, err
}

// diffOf is a unified diff of the object's YAML at two revisions; "" where nothing differs.
func (r *Reader) diffOf(ctx context.Context, object journal.Object, from, to int64) (string, error) {
	var texts [2][]byte
	for i, revision := range []int64{from, to} {
		state, err := r.state(ctx, object, revision)
		if err != nil {
			return "", err
		}
		if texts[i], err = diffable(state); err != nil {
			return "", err
		}
	}
	name := object.Resource + "/" + object.Name
	if object.Namespace != "" {
		name = object.Namespace + "/" + name
	}
	text := diff.Diff(fmt.Sprintf("%s at %d", name, from), texts[0], fmt.Sprintf("%s at %d", name, to), texts[1])
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[i+1:] // the line "diff …" says nothing that the next two do not
	}
	return string(text), nil
}

// diffable is the object as YAML without managedFields, which kubectl does not show either; nothing where it was not there.
func diffable(state map[string]any) ([]byte, error) {
	if state == nil {
		return nil, nil
	}
	if metadata, ok := state["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
	return yaml.Marshal(state)
}
