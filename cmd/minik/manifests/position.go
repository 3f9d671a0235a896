// Package manifests says where in a file of manifests a mistake stands that the API server found in an object, for
// `minik up -f`. Kubectl names the file, and leaves the line to its reader.
package manifests

import (
	"io"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Line is where the object of the kind begins in a file of YAML or JSON, or better, where the first of the fields stands that
// is found there; 0 where neither is found. An empty name is that of any object. A field is a path as the API server writes it,
// such as spec.containers[0].image; where the end of it is not in the file, the part of it that is there counts.
func Line(file, kind, name string, fields []string) int {
	in, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer func() { _ = in.Close() }() // it was only read
	return line(in, kind, name, fields)
}

func line(in io.Reader, kind, name string, fields []string) int {
	begins, deepest, found := 0, 0, 0
	for decoder := yaml.NewDecoder(in); ; {
		var document yaml.Node
		if decoder.Decode(&document) != nil || len(document.Content) == 0 {
			return max(begins, found)
		}
		object := document.Content[0]
		if text(object, "kind") != kind || name != "" && text(member(object, "metadata"), "name") != name {
			continue
		}
		if begins == 0 {
			begins = object.Line
		}
		for _, field := range fields {
			if at, depth := walk(object, field); depth > deepest {
				deepest, found = depth, at
			}
		}
		if name != "" {
			return max(begins, found)
		}
	}
}

// walk follows a path as far as it goes, and returns the line that it comes to and how many steps that took.
func walk(node *yaml.Node, path string) (line, depth int) {
	for _, step := range steps(path) {
		next, at := node, 0
		if i, err := strconv.Atoi(step); err == nil && node.Kind == yaml.SequenceNode {
			if i >= len(node.Content) {
				return line, depth
			}
			next = node.Content[i]
			at = next.Line
		} else if key := key(node, step); key >= 0 {
			next, at = node.Content[key+1], node.Content[key].Line
		} else {
			return line, depth
		}
		node, line, depth = next, at, depth+1
	}
	return line, depth
}

// steps are the names and indexes of a path; what is in brackets is one step, whatever it holds.
func steps(path string) []string {
	var out []string
	for path != "" {
		end := strings.IndexAny(path, ".[")
		switch {
		case end < 0:
			return append(out, path)
		case path[end] == '[':
			if end > 0 {
				out = append(out, path[:end])
			}
			inner, rest, _ := strings.Cut(path[end+1:], "]")
			out, path = append(out, inner), strings.TrimPrefix(rest, ".")
		default:
			out, path = append(out, path[:end]), path[end+1:]
		}
	}
	return out
}

// key is the index of a key in a mapping, -1 where there is none.
func key(node *yaml.Node, name string) int {
	if node != nil && node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == name {
				return i
			}
		}
	}
	return -1
}

func member(node *yaml.Node, name string) *yaml.Node {
	if i := key(node, name); i >= 0 {
		return node.Content[i+1]
	}
	return nil
}

func text(node *yaml.Node, name string) string {
	if value := member(node, name); value != nil {
		return value.Value
	}
	return ""
}
