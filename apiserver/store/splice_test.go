package store

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"minik.dev/apiserver/resources"
)

func crontabs() *resources.Resource {
	kind := schema.GroupVersionKind{Group: "stable.example.com", Version: "v1", Kind: "CronTab"}
	return &resources.Resource{
		Kind: kind, Plural: "crontabs", Custom: true,
		New: func() resources.Object {
			obj := &unstructured.Unstructured{}
			obj.SetGroupVersionKind(kind)
			return obj
		},
		NewList: func() runtime.Object { return &unstructured.UnstructuredList{} },
	}
}

// The object's own metadata are found wherever they stand, and what looks like them deeper down is not taken for them.
func TestResourceVersionInAnyOrder(t *testing.T) {
	for _, stored := range []string{
		`{"apiVersion":"stable.example.com/v1","data":{"metadata":{"name":"inner"}},"kind":"CronTab","metadata":{"name":"a"}}`,
		`{"kind":"CronTab","spec":[{"metadata":{}},"\"metadata\":{"],"apiVersion":"stable.example.com/v1","metadata":{}}`,
		`{"metadata":{"name":"a"},"kind":"CronTab","apiVersion":"stable.example.com/v1"}`,
		"{ \"a\" : [ 1, {\"b\":null} ],\n \"kind\":\"CronTab\", \"apiVersion\":\"stable.example.com/v1\", \"metadata\" : { } }",
		`{"a}":"\\","kind":"CronTab","apiVersion":"stable.example.com/v1","metadata":{"labels":{"metadata":"{"}},"z":-1.5e3}`,
	} {
		entry, err := decode(crontabs(), "/registry/stable.example.com/crontabs/default/a", []byte(stored), 7)
		require.NoError(t, err, stored)
		requireShown(t, entry, stored)
	}
	for _, broken := range []string{`{"kind":"CronTab"}`, `[]`, `{"metadata":3}`, ``} {
		_, _, err := metadataOf([]byte(broken))
		require.Error(t, err, broken)
	}
}

// requireShown checks what is shown of an entry of revision 7 against what is stored.
func requireShown(t require.TestingT, entry *Entry, stored string) {
	shown, err := entry.JSON()
	require.NoError(t, err)
	var want, got map[string]any
	require.NoError(t, json.Unmarshal([]byte(stored), &want))
	require.NoError(t, json.Unmarshal(shown, &got), string(shown))
	want["metadata"].(map[string]any)["resourceVersion"] = "7"
	require.Equal(t, want, got)
	item, err := entry.Item()
	require.NoError(t, err)
	require.JSONEq(t, string(shown), "{"+string(item))
	require.True(t, entry.stores([]byte(stored)))
	require.Equal(t, stored, string(entry.stored()))
}

// Whatever fields an object has, and whatever they hold.
func TestResourceVersionProperty(t *testing.T) {
	word := rapid.StringOf(rapid.RuneFrom([]rune(`ab"\\{}[]:, metadata`)))
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaves := []*rapid.Generator[any]{word.AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil)}
		if depth > 0 {
			leaves = append(leaves, rapid.MapOfN(rapid.OneOf(word, rapid.Just("metadata")), value(depth-1), 0, 3).AsAny(),
				rapid.SliceOfN(value(depth-1), 0, 3).AsAny())
		}
		return rapid.OneOf(leaves...)
	}
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.MapOfN(word, value(3), 0, 4).Draw(t, "fields")
		object["apiVersion"], object["kind"] = "stable.example.com/v1", "CronTab"
		object["metadata"] = map[string]any{"name": "a"}
		stored, err := json.Marshal(object)
		require.NoError(t, err)
		entry, err := decode(crontabs(), "/registry/stable.example.com/crontabs/default/a", stored, 7)
		require.NoError(t, err)
		requireShown(t, entry, string(stored))
	})
}
