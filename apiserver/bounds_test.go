package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/apiserver/resources"
)

// numbered joins n pieces, each of them with its number where the format asks for it.
func numbered(n int, separator, format string) string {
	pieces := make([]string, n)
	for i := range pieces {
		pieces[i] = format
		if strings.Contains(format, "%") {
			pieces[i] = fmt.Sprintf(format, i)
		}
	}
	return strings.Join(pieces, separator)
}

// A request that asks for more work than any honest one does is refused before the work is begun. Each of these took from many
// seconds to an hour, or all of the memory.
func TestWorkIsBounded(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	const maps, pods = "/api/v1/namespaces/shop/configmaps", "/api/v1/namespaces/shop/pods"
	const apply, merge, strategic, operations = string(types.ApplyYAMLPatchType), string(types.MergePatchType),
		string(types.StrategicMergePatchType), string(types.JSONPatchType)
	ts.configMap(t, "shop", "a", "k", "v")
	many := pod("many")
	for i := range 3000 {
		many.Spec.Containers[0].Env = append(many.Spec.Containers[0].Env, corev1.EnvVar{Name: fmt.Sprintf("E%d", i)})
	}
	_, err := ts.client.CoreV1().Pods("shop").Create(t.Context(), many, metav1.CreateOptions{})
	require.NoError(t, err)

	podOf := func(cpu string) string {
		return `{"metadata":{"name":"n"},"spec":{"containers":[{"name":"c","image":"c","resources":{"requests":{"cpu":` + cpu + `}}}]}}`
	}
	wide := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{` + numbered(100_000, ",", `"k%d":"v"`) + `}}`
	digits := strings.Repeat("9", 2_000_000)
	large := pod("n")
	large.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("9")}
	proto, err := (media{Type: mediaProto}).encode(large)
	require.NoError(t, err)
	// The quantity's one byte becomes 5,000 of them, with the lengths around it as they were: it is refused before it is read.
	inProto := strings.Replace(string(proto), "\x01"+"9", "\x88\x27"+digits[:5000], 1)
	require.NotEqual(t, string(proto), inProto)
	deep := strings.Repeat(`{"a":`, 9_000) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat("}", 9_000)
	for _, c := range []struct {
		name, method, path, contentType, body string
		code                                  int
		says                                  string
	}{
		{"apply of many keys", "PATCH", maps + "/a?fieldManager=m", apply, wide, 413, "a list or a map with 100000 members"},
		{"creation of many keys", "POST", maps, mediaJSON, wide, 413, "a list or a map with 100000 members"},
		{"many keys in YAML", "POST", maps, mediaYAML, "data:\n" + numbered(60_000, "", "  k%d: v\n"), 413, "60000 members"},
		{"merge of many keys", "PATCH", maps + "/a", merge, wide, 413, "100000 members"},
		{"many finalizers", "POST", maps, mediaJSON, `{"metadata":{"name":"n","finalizers":[` + numbered(60_000, ",", `"x/%d"`) + `]}}`,
			413, "60000 members"},
		{"many fields of one manager", "PUT", maps + "/a", mediaJSON, `{"metadata":{"name":"a","managedFields":[{"manager":"m","operation":` +
			`"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{` + numbered(60_000, ",", `"f:%d":{}`) + `}}}]}}`,
			413, "60000 members"},
		{"a long quantity", "POST", pods, mediaJSON, podOf(`"` + digits + `"`), 400, "no quantity may be as long"},
		{"a long quantity without quotes", "POST", pods, mediaJSON, podOf(digits), 400, "no quantity may be as long"},
		{"a long quantity in escapes", "POST", pods, mediaJSON, podOf(`"` + strings.Repeat(`\u0039`, 400_000) + `"`), 400,
			"no quantity may be as long"},
		{"a long quantity that is said twice", "POST", pods, mediaJSON, podOf(`"` + digits + `","cpu":"1"`), 400, "no quantity may be as long"},
		{"a long fraction", "POST", pods, mediaJSON, podOf(`"0.` + digits + `"`), 400, "no quantity may be as long"},
		{"a long quantity in lines of YAML", "POST", pods, mediaYAML, podOf(`"` + strings.Repeat("99999\\\n", 100_000) + `"`), 400,
			"no quantity may be as long"},
		{"a long quantity in protobuf", "POST", pods, mediaProto, inProto, 400, "no quantity may be as long"},
		{"a long quantity by a patch", "PATCH", pods + "/many", merge,
			`{"spec":{"containers":[{"name":"c","image":"c","resources":{"requests":{"cpu":"` + digits + `"}}}]}}`, 400, "no quantity may be as long"},
		{"a long quantity that is applied", "PATCH", pods + "/n?fieldManager=m", apply, podOf(`"` + digits + `"`), 400, "no quantity may be as long"},
		{"a merge of long lists", "PATCH", pods + "/many", strategic,
			`{"spec":{"containers":[{"name":"` + many.Spec.Containers[0].Name + `","env":[` + numbered(3000, ",", `{"name":"F%d"}`) + `]}]}}`, 413, "merges lists that are too long"},
		{"an order of long lists", "PATCH", pods + "/many", strategic, `{"spec":{"containers":[{"name":"` +
			many.Spec.Containers[0].Name + `","$setElementOrder/env":[` +
			numbered(3000, ",", `{"name":"F%d"}`) + `]}]}}`, 413, "merges lists that are too long"},
		{"a deep merge", "PATCH", maps + "/a", merge, `{"x":` + deep + `}`, 413, "nests too deep"},
		{"a deep value", "PATCH", maps + "/a", operations, `[{"op":"add","path":"/x","value":` + deep + `}]`, 413, "nests too deep"},
		{"a deep path", "PATCH", maps + "/a", operations, `[{"op":"add","path":"/x","value":"` + strings.Repeat("x", 1<<20) +
			`"},{"op":"add","path":"` + strings.Repeat("/a", 100_000) + `","value":1}]`, 413, "nests too deep"},
		{"copies into copies", "PATCH", maps + "/a", operations, `[{"op":"add","path":"/x","value":{"a":{"a":{"a":{}}}}},` +
			numbered(9_000, ",", `{"op":"copy","from":"/x","path":"/x/a/a/a/a"}`) + `]`, 0, ""},
		{"a long selector", "GET", maps + "?labelSelector=" + url.QueryEscape(numbered(10_000, ",", "k%d!=v")), "", "", 400, "characters long"},
		{"a long field selector", "GET", maps + "?fieldSelector=" + url.QueryEscape(numbered(10_000, ",", "metadata.name!=k%d")), "", "", 400,
			"characters long"},
		{"an alias of aliases", "POST", maps, mediaYAML, "a: &a [x,x,x,x,x,x,x,x,x]\n" + numbered(8, "", "%d: &b [*a,*a,*a,*a,*a,*a,*a]\n") +
			"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n" +
			"f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n", 400, "excessive aliasing"},
		{"deep YAML", "POST", maps, mediaYAML, "x: " + strings.Repeat("[", 100_000), 400, "depth"},
		{"deep JSON", "POST", maps, mediaJSON, `{"x":` + strings.Repeat("[", 100_000), 400, "depth"},
		{"many operations", "PATCH", maps + "/a", operations, "[" + numbered(10_001, ",", `{"op":"test","path":"/kind","value":"ConfigMap"}`) + "]",
			413, "maximum operations in a JSON patch is 10000"},
		{"a long manager", "POST", maps + "?fieldManager=" + strings.Repeat("m", 129), mediaJSON, "{}", 422, "fieldManager"},

		// And these are no attacks.
		{"a long number that is no quantity", "POST", maps, mediaJSON, `{"metadata":{"name":"pi"},"data":{"pi":"` + digits[:100_000] + `"}}`, 201, ""},
		{"many keys", "POST", maps, mediaJSON, `{"metadata":{"name":"keys"},"data":{` + numbered(20_000, ",", `"k%d":"v"`) + `}}`, 201, ""},
		{"a list that is replaced", "PATCH", pods + "/many?dryRun=All", strategic,
			`{"spec":{"containers":[{"name":"` + many.Spec.Containers[0].Name + `","args":[` + numbered(3000, ",", `"%d"`) + `]}]}}`, 422, "pod updates may not change"},
		{"many items where there are none", "PATCH", maps + "/a?dryRun=All", strategic, `{"metadata":{"finalizers":[` + numbered(9000, ",", `"x/%d"`) + `]}}`,
			200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
			req.Header.Set("Content-Type", c.contentType)
			req.TLS = adminTLS()
			out := httptest.NewRecorder()
			ts.handler.ServeHTTP(out, req)
			if c.code == 0 {
				require.Contains(t, []int{413, 422}, out.Code)
				return
			}
			require.Equal(t, c.code, out.Code, "%.500s", out.Body)
			require.Contains(t, out.Body.String(), c.says)
		})
	}
}

// A request whose time is over is answered with 504, whatever it asks for, and nothing is done for it any more.
func TestNothingIsDoneAfterTheDeadline(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a", "k", "v")
	const maps = "/api/v1/namespaces/shop/configmaps"
	before, err := ts.client.CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, c := range [][3]string{
		{"POST", maps, mediaJSON}, {"POST", maps + "?dryRun=All", mediaJSON}, {"PUT", maps + "/a", mediaJSON}, {"DELETE", maps + "/a", mediaJSON},
		{"DELETE", maps, mediaJSON}, {"PATCH", maps + "/a", string(types.MergePatchType)}, {"PATCH", maps + "/a", string(types.JSONPatchType)},
		{"PATCH", maps + "/a", string(types.StrategicMergePatchType)}, {"PATCH", maps + "/a?fieldManager=m", string(types.ApplyYAMLPatchType)},
		{"PATCH", maps + "/b?fieldManager=m", string(types.ApplyYAMLPatchType)}, {"GET", maps, ""}, {"GET", maps + "/a", ""},
		{"GET", maps + "?resourceVersion=0", ""}, {"GET", maps + "?limit=1", ""}, {"GET", maps + "?resourceVersion=9223372036854775807", ""},
	} {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(c[1], maps), "/"), "?")
		body := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q},"data":{"k":"new"}}`, name)
		switch {
		case c[2] == string(types.JSONPatchType):
			body = `[{"op":"replace","path":"/data/k","value":"new"}]`
		case name == "":
			body = `{"metadata":{"name":"new"}}`
		}
		if c[0] == "DELETE" {
			body = ""
		}
		req := httptest.NewRequestWithContext(ctx, c[0], c[1], strings.NewReader(body))
		req.Header.Set("Content-Type", c[2])
		req.TLS = adminTLS()
		out := httptest.NewRecorder()
		ts.handler.ServeHTTP(out, req)
		require.Equal(t, http.StatusGatewayTimeout, out.Code, "%v: %s", c, out.Body)
		var status metav1.Status
		require.NoError(t, json.Unmarshal(out.Body.Bytes(), &status))
		require.Equal(t, metav1.StatusReasonTimeout, status.Reason, "%v: %s", c, out.Body)
		require.Equal(t, int32(http.StatusGatewayTimeout), status.Code)
	}
	after, err := ts.client.CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, before.Items, after.Items)

	// The query's own time is heeded, and what is no time is refused.
	response, body := ts.call(t, "GET", maps+"?resourceVersion=9223372036854775807&timeout=1ms", "")
	require.Equal(t, http.StatusGatewayTimeout, response.StatusCode, "%s", body)
	response, body = ts.call(t, "GET", maps+"?timeout=soon", "")
	require.Equal(t, http.StatusBadRequest, response.StatusCode, "%s", body)
}

// Owner references that are the same in everything are dropped, whatever their order; those that differ in anything stay.
func TestRepeatedOwnersAreDropped(t *testing.T) {
	yes, no := true, false
	ref := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "a", UID: "1"}
	with := func(controller, blocks *bool) metav1.OwnerReference {
		r := ref
		r.Controller, r.BlockOwnerDeletion = controller, blocks
		return r
	}
	other := ref
	other.Name = "b"
	r := &request{w: httptest.NewRecorder()}
	obj := &corev1.ConfigMap{}
	obj.OwnerReferences = []metav1.OwnerReference{ref, with(&yes, nil), with(nil, &no), other, with(&yes, nil), ref, with(&no, nil), with(&no, &no)}
	r.dropRepeatedOwners(obj)
	require.Equal(t, []metav1.OwnerReference{ref, with(&yes, nil), with(nil, &no), other, with(&no, nil), with(&no, &no)}, obj.OwnerReferences)
	require.Contains(t, r.w.Header().Get("Warning"), "duplicate UID(s) observed: 1, 1")
}

// What is not asked for in a list is not looked at either: the time of a request is asked for while it goes over the objects.
func TestAListStopsWithItsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &request{Request: httptest.NewRequestWithContext(ctx, "GET", "/", nil), row: &resources.Resource{}}
	f := &found{}
	for range 1000 {
		require.True(t, r.goesOn(f))
	}
	cancel()
	looked := 0
	for r.goesOn(f) {
		looked++
	}
	require.Less(t, looked, 64)
}
