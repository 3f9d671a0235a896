package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// serveOne serves one request without a connection, as the administrator. Whatever a client sends is answered, and no mistake
// of a client is the server's: 500 would say so.
func (ts *testServer) serveOne(t testing.TB, req *http.Request) *httptest.ResponseRecorder {
	ctx, cancel := context.WithTimeout(req.Context(), 10*time.Millisecond) // ends watches, and reads of the future
	defer cancel()
	req = req.WithContext(ctx)
	req.TLS = adminTLS()
	out := httptest.NewRecorder()
	ts.handler.ServeHTTP(out, req)
	require.NotEqual(t, http.StatusInternalServerError, out.Code, "%s %q: %s", req.Method, req.URL, out.Body)
	return out
}

// adminTLS is the connection of an administrator.
func adminTLS() *tls.ConnectionState {
	admin := &x509.Certificate{Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}}
	return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{admin}}}
}

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"}

func FuzzPaths(f *testing.F) {
	for _, path := range []string{
		"/", "//", "/api", "/api/v1", "/api/v1/", "/api//pods", "/api/v1//pods", "/api/v1/namespaces//pods", "/api/v1/namespaces/a/",
		"/api/v1/namespaces/a/status", "/api/v1/namespaces/a/finalize/x", "/api/v1/namespaces/a/pods/b/log",
		"/api/v1/namespaces/a/pods/b/binding/c/d", "/api/v1/namespaces/a/pods/../secrets", "/apis/apps/v1/namespaces/a/deployments/b/scale",
		"/apis/minik.dev/v1/revisions/1", "/apis/minik.dev/v1/namespaces/a/revisions", "/api/v1/watch/pods", "/openapi/v3/x", "/healthz/",
		"/apis/0\x8b///0", "/apis/\xff/\xfe", "/api/v1/namespaces/a%2Fb/pods/c%00d", "/api/v1/pods/\xff", "/apis/apps/v1/namespaces/default/deployments/ ",
	} {
		f.Add(path)
	}
	ts := start(f)
	f.Fuzz(func(t *testing.T, path string) {
		for _, method := range methods {
			req := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader("{}"))
			req.URL.Path = path
			ts.serveOne(t, req)
		}
	})
}

func FuzzQueries(f *testing.F) {
	token := continuation{Revision: 2, Start: "/registry/configmaps/default/", Issued: time.Now().Unix()}
	for _, query := range []string{
		"", "limit=1", "limit=-9223372036854775808", "limit=9223372036854775807", "continue=" + token.String(), "continue=bnVsbA",
		"resourceVersion=9223372036854775807", "resourceVersion=00", "resourceVersion=1&resourceVersionMatch=Exact&limit=1",
		"labelSelector=a%20in%20(b,c),!d,e!=f", "labelSelector=%00", "labelSelector=,,", "fieldSelector=metadata.name%3Da",
		"fieldSelector=a%5C%5C%3Db", "fieldSelector=metadata.name%3D%5C", "watch=1&timeoutSeconds=-1",
		"watch=1&sendInitialEvents=true&allowWatchBookmarks=1&resourceVersionMatch=NotOlderThan&resourceVersion=1",
		"watch=1&resourceVersion=1", "watch=maybe", "pretty=maybe", "includeObject=%ff", "fieldManager=%00", "dryRun=All&dryRun=x", "a=%zz", ";",
	} {
		f.Add(query, "")
		f.Add(query, "application/json;as=Table;v=v1;g=meta.k8s.io")
		f.Add(query, "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
		f.Add(query, "application/yaml;q=0.1,*/*;q=x")
	}
	ts := start(f)
	ts.call(f, "POST", "/api/v1/namespaces", `{"metadata":{"name":"default"}}`)
	ts.configMap(f, "default", "a", "k", "v")
	f.Fuzz(func(t *testing.T, query, accept string) {
		for _, path := range []string{"/api/v1/configmaps", "/api/v1/namespaces/default/configmaps/a", "/apis/minik.dev/v1/revisions"} {
			req := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
			req.URL.RawQuery = query
			req.Header.Set("Accept", accept)
			ts.serveOne(t, req)
		}
	})
}

func FuzzBodies(f *testing.F) {
	kinds := []string{mediaJSON, mediaYAML, mediaProto, string(types.JSONPatchType), string(types.MergePatchType),
		string(types.StrategicMergePatchType), string(types.ApplyYAMLPatchType), "", "x/y"}
	calls := [][2]string{
		{"POST", "configmaps"}, {"PUT", "configmaps/a"}, {"PATCH", "configmaps/a"}, {"PATCH", "pods/a"}, {"PATCH", "pods/a/status"},
		{"POST", "pods"}, {"POST", "services"}, {"POST", "pods/a/binding"}, {"POST", "pods/a/eviction"}, {"DELETE", "configmaps/none"},
	}
	for n, body := range []string{
		"", "{}", "[]", "null", "1", `"x"`, "{", `{"metadata":null}`, `{"metadata":{"name":null}}`, `{"metadata":[]}`,
		`{"metadata":{"name":"b","labels":null,"managedFields":[{}]}}`, `{"metadata":{"managedFields":[{"fieldsType":"FieldsV1","fieldsV1":{"x":1}}]}}`,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":null}}`, `{"apiVersion":"v1","kind":"List","items":[]}`,
		`{"apiVersion":"a/b/c","kind":"ConfigMap"}`, `{"metadata":{"ownerReferences":[{}],"finalizers":["x"]}}`,
		`[{"op":"add","path":"/data/x","value":"y"}]`, `[{"op":"move","from":"/metadata","path":"/metadata/x"}]`, `[{"op":"copy","from":"","path":"/data"}]`,
		`[{}]`, `[null]`, `[{"op":"test","path":"/none/none"}]`, `[{"op":"remove","path":""}]`, `{"$patch":"delete"}`, `{"$patch":"replace"}`,
		`{"data":{"$patch":"x"}}`, `{"metadata":{"$deleteFromPrimitiveList/finalizers":1}}`, `{"metadata":{"$setElementOrder/ownerReferences":[{}]}}`,
		`{"metadata":{"$retainKeys":["name"]}}`, `{"spec":{"containers":[{"name":"c"}]}}`, "a: &a [*a]", "k8s\x00", "k8s\x00\x0a\x00", "k8s\x00\x0a\x04\x0a\x02v1\x12\x01\x0a",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: {b: c}}", strings.Repeat("[", 10_001),
	} {
		for i := range kinds {
			if i%3 == n%3 { // TestRandomRequests tries more; what is tried here first is not fuzzed meanwhile
				f.Add(uint8(i), []byte(body))
			}
		}
	}
	ts := start(f)
	ts.call(f, "POST", "/api/v1/namespaces", `{"metadata":{"name":"default"}}`)
	_, err := ts.client.CoreV1().ServiceAccounts("default").Create(f.Context(), serviceAccount("default"), metav1.CreateOptions{})
	require.NoError(f, err)
	_, err = ts.client.CoreV1().Pods("default").Create(f.Context(), pod("a"), metav1.CreateOptions{})
	require.NoError(f, err)
	ts.configMap(f, "default", "a", "k", "v")
	// All of them for each input: to look after an input takes longer than to serve a request.
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		for _, call := range calls {
			path := "/api/v1/namespaces/default/" + call[1] + "?dryRun=All&fieldManager=fuzz"
			req := httptest.NewRequestWithContext(t.Context(), call[0], path, strings.NewReader(string(body)))
			req.Header.Set("Content-Type", kinds[int(kind)%len(kinds)])
			ts.serveOne(t, req)
		}
	})
}

func FuzzContinueTokens(f *testing.F) {
	for _, token := range []string{"", "e30", "bnVsbA", "eyJydiI6MX0", "eyJydiI6LTF9", "eyJydiI6MSwidCI6OTIyMzM3MjAzNjg1NDc3NTgwN30", "=", "\xff"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		now := time.Unix(1_000_000, 0)
		c, err := parseContinue(token, now)
		if err != nil {
			return
		}
		require.True(t, c.Revision > 0 || c.Revision == anyRevision, "%d", c.Revision)
		again, err := parseContinue(c.String(), now)
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func serviceAccount(name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
}
