package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v2"
)

// jsonToYAML writes a JSON document as YAML, with the keys of each object in order. JSON is nearly YAML, but not quite: a
// parser of YAML refuses the control characters that JSON may have in its strings, reads two of them as line breaks, and
// bounds the length of keys. So the document is read as what it is.
func jsonToYAML(document []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("reading an answer to write it as YAML: %w", err)
	}
	return yaml.Marshal(withNumbers(value))
}

// withNumbers puts Go's numbers in the places of JSON's: whole ones stay whole.
func withNumbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = withNumbers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = withNumbers(v[i])
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		if n, err := v.Float64(); err == nil {
			return n
		}
		return v.String() // no Go number holds it
	}
	return value
}
