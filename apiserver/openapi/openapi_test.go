package openapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/rest"
	"k8s.io/kube-openapi/pkg/spec3"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
)

const serverVersion = "v1.37.2"

// handlerOfAll makes its documents once for all tests.
var handlerOfAll = sync.OnceValue(func() http.Handler { return New(builtin.All(), serverVersion) })

func serve(t *testing.T) *httptest.Server {
	server := httptest.NewServer(handlerOfAll())
	t.Cleanup(server.Close)
	return server
}

func client(t *testing.T, server *httptest.Server) *discovery.DiscoveryClient {
	t.Helper()
	c, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: server.URL, QPS: -1})
	require.NoError(t, err)
	return c
}

// get asks for path and returns the answer with its body already read. Redirects are answers too.
func get(t *testing.T, server *httptest.Server, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, body
}

// documentOf is the OpenAPI v3 document of one group.
func documentOf(t *testing.T, group string) *spec3.OpenAPI {
	t.Helper()
	merging, err := newMerging()
	require.NoError(t, err)
	others := func(r *resources.Resource) bool { return r.Kind.Group != group }
	return newDocument(kindsOf(slices.DeleteFunc(builtin.All(), others)), merging).v3(serverVersion)
}

// client-go finds a document for every version through the index, whose addresses carry a hash, and reads it.
func TestIndexLeadsToEveryVersion(t *testing.T) {
	server := serve(t)
	root := openapi3.NewRoot(client(t, server).OpenAPIV3())
	found, err := root.GroupVersions()
	require.NoError(t, err)
	require.ElementsMatch(t, groupVersions(kindsOf(builtin.All())), found)
	for _, gv := range found {
		document, err := root.GVSpec(gv)
		require.NoError(t, err)
		require.NotEmpty(t, document.Paths.Paths, gv)
		require.Equal(t, serverVersion, document.Info.Version)
	}
}

// Upstream's protobuf is made by a parser that takes no field it does not know, and no document that is not one.
func TestProtobuf(t *testing.T) {
	server := serve(t)
	document, err := client(t, server).OpenAPISchema()
	require.NoError(t, err)
	require.NotEmpty(t, document.GetDefinitions().GetAdditionalProperties())

	for _, c := range []struct{ path, accept, want string }{
		{"/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
			"application/com.github.proto-openapi.spec.v2.v1.0+protobuf"},
		{"/openapi/v2", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
			"application/com.github.proto-openapi.spec.v2.v1.0+protobuf"},
		{"/openapi/v2", "*/*", "application/json"},
		{"/openapi/v3/apis/minik.dev/v1", "application/com.github.proto-openapi.spec.v3@v1.0+protobuf",
			"application/com.github.proto-openapi.spec.v3.v1.0+protobuf"},
		{"/openapi/v3/apis/minik.dev/v1", "application/json", "application/json"},
	} {
		answer, body := get(t, server, c.path, "Accept", c.accept)
		require.Equal(t, http.StatusOK, answer.StatusCode, c)
		require.Equal(t, c.want, answer.Header.Get("Content-Type"), c)
		require.NotEmpty(t, body, c)
	}
}

// Two servers of one version serve the same bytes, so that a client may keep what it got from either.
func TestSameBytes(t *testing.T) {
	one := serve(t)
	two := httptest.NewServer(New(builtin.All(), serverVersion))
	defer two.Close()
	for _, path := range []string{"/openapi/v3", "/openapi/v3/api/v1", "/openapi/v2"} {
		_, first := get(t, one, path)
		_, second := get(t, two, path)
		require.Equal(t, string(first), string(second), path)
	}
}

func TestETagAndHash(t *testing.T) {
	server := serve(t)
	for _, path := range []string{"/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1"} {
		first, _ := get(t, server, path)
		again, body := get(t, server, path, "If-None-Match", first.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode, path)
		require.Empty(t, body)
	}
	// Behind the hash of the index the document may be kept for good; an old hash leads to the new one.
	_, body := get(t, server, "/openapi/v3")
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	require.NoError(t, json.Unmarshal(body, &index))
	current, _ := get(t, server, index.Paths["apis/apps/v1"].ServerRelativeURL)
	require.Equal(t, "public, immutable", current.Header.Get("Cache-Control"))
	old, _ := get(t, server, "/openapi/v3/apis/apps/v1?hash=OLD")
	require.Equal(t, http.StatusMovedPermanently, old.StatusCode)
	require.Equal(t, index.Paths["apis/apps/v1"].ServerRelativeURL, old.Header.Get("Location"))
}

func TestOtherRequests(t *testing.T) {
	server := serve(t)
	for _, path := range []string{"/openapi", "/openapi/v1", "/openapi/v3/apis/nope/v1", "/openapi/v3/apis/apps"} {
		answer, _ := get(t, server, path)
		require.Equal(t, http.StatusNotFound, answer.StatusCode, path)
	}
	answer, _ := get(t, server, "/openapi/v3/")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	answer, err := server.Client().Post(server.URL+"/openapi/v2", "application/json", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
}

// The first request pays for the documents: the index of v3 needs the hashes of all of them.
func BenchmarkIndex(b *testing.B) {
	_, err := newMerging()
	require.NoError(b, err)
	for b.Loop() {
		request := httptest.NewRequest(http.MethodGet, "/openapi/v3", nil)
		New(builtin.All(), serverVersion).ServeHTTP(httptest.NewRecorder(), request)
	}
}
