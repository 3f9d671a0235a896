package controllertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// Arrow stands between what a scenario gives and what is decided.
const Arrow = "\n=>\n"

// YAMLScenarios runs every file of testdata: prose in comments, objects in YAML, an arrow, and the decision. With
// -rewrite the decision is written instead of compared; then read the difference as you would read code.
func YAMLScenarios(t *testing.T, decide func(t *testing.T, given []runtime.Object) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "testdata holds no scenario")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			given, wanted, _ := strings.Cut(string(text), Arrow)
			got := decide(t, objectsOf(t, given))
			if *rewrite {
				require.NoError(t, os.WriteFile(file, []byte(given+Arrow+got), 0o644))
				return
			}
			require.Equal(t, wanted, got, "%s; run with -rewrite to accept", file)
		})
	}
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
