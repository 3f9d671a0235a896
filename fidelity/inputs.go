package fidelity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	apitesting "k8s.io/kubernetes/pkg/api/testing"
	"sigs.k8s.io/yaml"

	"minik.dev/apiserver/resources"
)

// input is an object as somebody wrote it, with what is said to have been there before.
type input struct {
	obj  resources.Object
	old  resources.Object // nil where nothing is said
	file string
}

// written are the objects of every YAML file below the folder, and of the sections of every scenario, by their kind.
func written(root string, known []kind) (map[schema.GroupVersionKind][]input, error) {
	all := map[schema.GroupVersionKind][]input{}
	byKind := map[schema.GroupVersionKind]kind{}
	for _, k := range known {
		byKind[k.GroupVersionKind] = k
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		ext := filepath.Ext(path)
		if ext != ".yaml" && !(ext == ".txt" && strings.Contains(path, "testdata")) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		archive := txtar.Parse(text)
		if ext == ".yaml" {
			archive = &txtar.Archive{Files: []txtar.File{{Name: "input", Data: text}}}
		}
		var old resources.Object
		for _, f := range archive.Files {
			for _, obj := range documents(f.Data, byKind) {
				in := input{obj: obj, file: name}
				gvk := obj.GetObjectKind().GroupVersionKind()
				if f.Name == "old" {
					old = obj
				} else if f.Name == "input" && old != nil && old.GetObjectKind().GroupVersionKind() == gvk {
					in.old = old
				}
				all[gvk] = append(all[gvk], in)
			}
		}
		return nil
	})
	return all, err
}

// documents are those of the text that are objects of a known kind; scenarios hold other things as well.
func documents(text []byte, known map[schema.GroupVersionKind]kind) []resources.Object {
	var out []resources.Object
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			return out
		}
		var meta metav1.TypeMeta
		if yaml.Unmarshal(doc, &meta) != nil {
			continue
		}
		k, ok := known[meta.GroupVersionKind()]
		if !ok {
			continue
		}
		obj := k.new()
		if yaml.UnmarshalStrict(doc, obj) != nil {
			continue
		}
		obj.GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)
		out = append(out, obj)
	}
}

// fuzzed makes an object of the kind with upstream's own fuzzers, which fill in every field there is. It is nil where upstream cannot
// show what it made in this version.
func (k kind) fuzzed(r *rand.Rand) (obj resources.Object) {
	defer func() {
		if recover() != nil { // some conversions do not take what the fuzzers make
			obj = nil
		}
	}()
	internal, err := legacyscheme.Scheme.New(schema.GroupVersionKind{Group: k.Group, Version: runtime.APIVersionInternal, Kind: k.Kind})
	if err != nil {
		return nil
	}
	fuzzer.FuzzerFor(apitesting.FuzzerFuncs, r, legacyscheme.Codecs).Fill(internal)
	made := k.new()
	if legacyscheme.Scheme.Convert(internal, made, nil) != nil {
		return nil
	}
	return k.ofTree(made)
}

// ofTree is the object that a server reads from the JSON of the tree, or nil.
func (k kind) ofTree(tree any) resources.Object {
	text, err := json.Marshal(tree)
	if err != nil {
		return nil
	}
	out := k.new()
	if json.Unmarshal(text, out) != nil {
		return nil
	}
	out.GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)
	return out
}
