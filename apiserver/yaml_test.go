package apiserver

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// Every JSON document can be written as YAML, and is the same when it is read again: also with characters that YAML takes only as
// escapes or takes for line breaks, with keys that are too long for a flow mapping, and with numbers of any size.
func TestEveryDocumentCanBeYAML(t *testing.T) {
	for _, document := range []string{
		`{"a":"x\u007fy"}`, `{"a":"\u0080\u0085\u009f"}`, `{"a":"\u2028\u2029\ufeff\ufffe\uffff"}`, `{"a":"\u0000\u0001\u001f\t\n"}`,
		`{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`, `{"` + strings.Repeat("k", 2000) + `":1}`, `{"a\u0085":"b"}`,
		`{"a":[1,-1,9223372036854775807,18446744073709551615,1.5,1e21,-0,0.1]}`, `{"y":"n","yes":"on","1":"1","null":"~","a":"0x1","b":"1e3"}`,
		`{"a":{},"b":[],"c":null,"d":true,"e":"","f":" ","g":"- a","h":"a: b","i":"#"}`,
	} {
		text, err := jsonToYAML([]byte(document))
		require.NoError(t, err, "%s", document)
		back, err := yaml.YAMLToJSON(text)
		require.NoError(t, err, "%s: %q", document, text)
		var want, got any
		require.NoError(t, json.Unmarshal([]byte(document), &want))
		require.NoError(t, json.Unmarshal(back, &got))
		require.Equal(t, want, got, "%s: %q", document, text)
	}
}
