package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	kubernetes "k8s.io/client-go/kubernetes/scheme"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
)

const examples = "../../examples"

// Every example is plain Kubernetes without a mistyped field, begins with a comment that says what it shows, and has its
// line in the README.
func TestExamplesAreKubernetes(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(examples, "README.md"))
	require.NoError(t, err)
	scheme := runtime.NewScheme()
	require.NoError(t, kubernetes.AddToScheme(scheme))
	require.NoError(t, kubeschedulerv1.AddToScheme(scheme))
	strict := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	count := 0
	err = filepath.WalkDir(examples, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		if entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return nil
		}
		count++
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(data), "# "), "%s: what does it show?", path)
		for _, document := range strings.Split(string(data), "\n---\n") {
			_, _, err := strict.Decode([]byte(document), nil, nil)
			require.NoError(t, err, path)
		}
		listed := entry.Name()
		if dir := filepath.Base(filepath.Dir(path)); dir != "examples" {
			listed = dir + "/"
		} else {
			require.Contains(t, string(data), "minik apply -f examples/"+listed)
		}
		require.Contains(t, string(readme), "["+listed+"]")
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, count, 15)
}
