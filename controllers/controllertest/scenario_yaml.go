package controllertest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"minik.dev/scenario"
)

// Arrow stands between what a scenario gives and what is decided.
const Arrow = "\n=>\n"

// YAMLScenarios runs every file of testdata: prose in comments, objects in YAML, an arrow, and the decision.
func YAMLScenarios(t *testing.T, decide func(t *testing.T, given []runtime.Object) string) {
	t.Helper()
	scenario.Files(t, "testdata/*.yaml", func(t *testing.T, text string) string {
		given, _, _ := strings.Cut(text, Arrow)
		return given + Arrow + decide(t, objectsOf(t, given))
	})
}

// objectsOf reads YAML documents, and leaves out those that are only comments.
func objectsOf(t *testing.T, text string) []runtime.Object {
	t.Helper()
	var out []runtime.Object
	for document := range strings.SplitSeq(text, "\n---\n") {
		if onlyComments(document) {
			continue
		}
		obj, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(document), nil, nil)
		require.NoError(t, err, document)
		out = append(out, obj)
	}
	return out
}

func onlyComments(document string) bool {
	for line := range strings.SplitSeq(document, "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// Each picks the objects of one type.
func Each[T any](objects []runtime.Object) []T {
	var out []T
	for _, obj := range objects {
		if typed, ok := obj.(T); ok {
			out = append(out, typed)
		}
	}
	return out
}

// First is the first object of one type, or T's zero value.
func First[T any](objects []runtime.Object) T {
	var zero T
	if found := Each[T](objects); len(found) > 0 {
		return found[0]
	}
	return zero
}
