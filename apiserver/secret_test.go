package apiserver

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/apiserver/etcd"
)

// Whatever is wrong with a write of a Secret: neither the answer, its warnings nor the log shows what the Secret holds, or what was
// to be put into it.
func TestMistakesTellNothingOfASecret(t *testing.T) {
	var log lockedBuffer
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(io.Writer(&log), &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	ts.namespace(t, "shop")
	const stored, storedEncoded, sent, sentEncoded, number = "stored-hush", "c3RvcmVkLWh1c2g=", "sent-hush", "c2VudC1odXNo", "271828182845"
	secrets := "/api/v1/namespaces/shop/secrets"
	response, body := ts.call(t, "POST", secrets, fmt.Sprintf(`{"metadata":{"name":"s"},"data":{"k":%q}}`, storedEncoded))
	require.Equal(t, 201, response.StatusCode, "%s", body)
	retyped := fmt.Sprintf(`{"type":"other","data":{"k":%q}}`, sentEncoded) // the type can't be changed
	for i, c := range []struct {
		method, path, contentType, body string
		code                            int
		says                            string // of what is wrong, that it still can be found
	}{
		{"POST", "", mediaJSON, `{"metadata":{"name":"n"},"stringData":{"k":` + number + `}}`, 400, "Secret.stringData of type string"},
		{"POST", "", mediaJSON, `{"metadata":{"name":"n"},"data":"` + sent + `"}`, 400, "Secret.data of type map"},
		{"POST", "", mediaJSON, `{"metadata":{"name":"n"},"data":{"k":"` + sent + `"}}`, 400, "not told"}, // no base64
		{"POST", "", mediaYAML, "stringData: {k: !!int " + sent + "}", 400, "cannot be handled as a Secret"},
		{"POST", "", mediaYAML, "stringData: {[" + sent + "]: x}", 400, "cannot be handled as a Secret"},
		{"POST", "", mediaYAML, "stringData: {k: *" + sent + "}", 400, "cannot be handled as a Secret"},
		{"POST", "", mediaProto, protoMagic + sent, 400, "cannot be handled as a Secret"},
		{"POST", "", mediaJSON, `{"metadata":{"name":"n"},"type":"kubernetes.io/dockerconfigjson","stringData":{".dockerconfigjson":"` +
			sent + `"}}`, 422, "data[.dockerconfigjson]: Invalid value"},
		{"POST", "", mediaJSON, `{"metadata":{"name":"n"},"stringData":{"/":"` + sent + `"}}`, 422, "data[/]: Invalid value"},
		{"PUT", "/s", mediaJSON, retyped, 400, "name of the object"},
		{"PATCH", "/s", string(types.MergePatchType), retyped, 422, "type: Invalid value"},
		{"PATCH", "/s", string(types.StrategicMergePatchType), retyped, 422, "type: Invalid value"},
		{"PATCH", "/s", string(types.ApplyYAMLPatchType), `{"apiVersion":"v1","kind":"Secret",` + retyped[1:], 422, "type: Invalid value"},
		{"PATCH", "/s", string(types.MergePatchType), `{"stringData":{"k":` + number + `}}`, 422, "Secret.stringData of type string"},
		{"PATCH", "/s", string(types.MergePatchType), `{"stringData":["` + sent + `"]}`, 422, "Secret.stringData of type map"},
		{"PATCH", "/s", string(types.MergePatchType), `["` + sent + `"`, 400, "not told"},
		{"PATCH", "/s", string(types.StrategicMergePatchType), `{"data":{"$patch":"` + sent + `","k":"` + sentEncoded + `"}}`, 400, "not told"},
		{"PATCH", "/s", string(types.StrategicMergePatchType), `{"data":{"$retainKeys":"` + sent + `"}}`, 400, "not told"},
		{"PATCH", "/s", string(types.StrategicMergePatchType), `{"stringData":{"k":["` + sent + `"]}}`, 422, "Secret.stringData of type string"},
		{"PATCH", "/s", string(types.JSONPatchType), `[{"op":"test","path":"/data/k","value":"` + sentEncoded + `"}]`, 422, "testing value /data/k"},
		{"PATCH", "/s", string(types.JSONPatchType), `[{"op":"add","path":"/stringData","value":"` + sent + `"}]`, 422,
			"Secret.stringData of type map"},
		{"PATCH", "/s", string(types.JSONPatchType), `[{"op":"copy","from":"/data","path":"/immutable"}]`, 422, "Secret.immutable of type bool"},
		{"PATCH", "/s", string(types.JSONPatchType), `[{"op":"` + sent + `","path":"/data"}]`, 422, "not told"},
		{"PATCH", "/s", string(types.ApplyYAMLPatchType), `{"apiVersion":"v1","kind":"Secret","data":"` + sent + `"}`, 400, "Secret.data of type map"},
		{"PATCH", "/s", string(types.ApplyYAMLPatchType), `{"apiVersion":"v1","kind":"Secret","x":["` + sent + `"]}`, 400, "not told"},
		{"PATCH", "/s", string(types.ApplyYAMLPatchType), `{"apiVersion":"v1","kind":"Secret","stringData":{"k":` + number + `}}`, 400,
			"Secret.stringData of type string"},
	} {
		log.Reset()
		query := "?fieldManager=m&force=true"
		if !strings.Contains(c.contentType, "apply") {
			query = []string{"?fieldValidation=Strict", "?fieldValidation=Warn"}[i%2]
		}
		response, body := ts.call(t, c.method, secrets+c.path+query, c.body, "Content-Type", c.contentType)
		assert.Equal(t, c.code, response.StatusCode, "%d: %s", i, body)
		assert.Contains(t, string(body), c.says, "%d: %s", i, c.body)
		for _, hush := range []string{stored, storedEncoded, sent, sentEncoded, number} {
			require.False(t, bytes.Contains(body, []byte(hush)), "%d: %s: %s", i, c.body, body)
			require.NotContains(t, log.String(), hush, "%d: %s", i, c.body)
			require.NotContains(t, fmt.Sprint(response.Header), hush, "%d: %s", i, c.body)
		}
	}
	// Of other kinds the mistake is still shown with its value.
	_, body = ts.call(t, "POST", "/api/v1/namespaces/shop/configmaps", `{"metadata":{"name":"n"},"data":{"/":"v"}}`)
	require.Contains(t, string(body), `data[/]: Invalid value: \"/\"`)
}
