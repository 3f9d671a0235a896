package discovery

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientdiscovery "k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
)

func kind(group, version, name string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: group, Version: version, Kind: name}
}

// rows is a small table with every case: a core kind with foreign subresources, one object served in two groups, one in
// two versions, and a cluster-scoped read-only kind.
func rows() []*resources.Resource {
	readWrite := []string{"get", "patch", "update"}
	return []*resources.Resource{
		{
			Kind: kind("", "v1", "Pod"), Plural: "pods", ShortNames: []string{"po"}, Categories: []string{"all"},
			Subresources: []resources.Subresource{
				{Name: "binding", Kind: kind("", "v1", "Binding"), Verbs: []string{"create"}},
				{Name: "eviction", Kind: kind("policy", "v1", "Eviction"), Verbs: []string{"create"}},
				{Name: "status", Verbs: readWrite},
			},
		},
		{
			Kind: kind("", "v1", "Event"), Plural: "events", ShortNames: []string{"ev"},
			Served: []resources.Served{{Kind: kind("events.k8s.io", "v1", "Event")}},
		},
		{
			Kind: kind("autoscaling", "v1", "HorizontalPodAutoscaler"), Plural: "horizontalpodautoscalers",
			ShortNames: []string{"hpa"},
			Served:     []resources.Served{{Kind: kind("autoscaling", "v2", "HorizontalPodAutoscaler")}},
		},
		{
			Kind: kind("apps", "v1", "Deployment"), Plural: "deployments", ShortNames: []string{"deploy"},
			Subresources: []resources.Subresource{
				{Name: "scale", Kind: kind("autoscaling", "v1", "Scale"), Verbs: readWrite},
				{Name: "status", Verbs: readWrite},
			},
		},
		{
			Kind: kind("minik.dev", "v1", "Revision"), Plural: "revisions", ClusterScoped: true,
			Verbs: []string{"get", "list", "watch"},
		},
	}
}

func serve(t *testing.T, rows []*resources.Resource) *httptest.Server {
	server := httptest.NewServer(New(rows))
	t.Cleanup(server.Close)
	return server
}

// get asks for path and returns the answer with its body already read.
func get(t *testing.T, server *httptest.Server, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := server.Client().Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, body
}

func client(t *testing.T, server *httptest.Server, contentType string) *clientdiscovery.DiscoveryClient {
	t.Helper()
	c, err := clientdiscovery.NewDiscoveryClientForConfig(&rest.Config{
		Host: server.URL, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: contentType},
	})
	require.NoError(t, err)
	return c
}

// Both forms tell the same facts: client-go makes the same groups and resources of them. Only the storage version's
// hash has no place in the aggregated form.
func TestFormsAgree(t *testing.T) {
	for name, rows := range map[string][]*resources.Resource{"small": rows(), "all": builtin.All()} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, rows)
			aggregated := client(t, server, "")
			old := client(t, server, "")
			old.UseLegacyDiscovery = true

			newGroups, newResources, err := aggregated.ServerGroupsAndResources()
			require.NoError(t, err)
			oldGroups, oldResources, err := old.ServerGroupsAndResources()
			require.NoError(t, err)

			require.Len(t, newGroups, len(oldGroups))
			for i, group := range oldGroups {
				require.Equal(t, group.Name, newGroups[i].Name)
				require.Equal(t, group.Versions, newGroups[i].Versions)
				require.Equal(t, group.PreferredVersion, newGroups[i].PreferredVersion)
			}
			require.Equal(t, simplified(oldResources), simplified(newResources))
		})
	}
}

// simplified is what both forms are compared by: for each version the resources in order, with the group and version of
// their kind written out. client-go makes up a singular name for the subresources of the aggregated form.
func simplified(lists []*metav1.APIResourceList) map[string][]metav1.APIResource {
	out := map[string][]metav1.APIResource{}
	for _, list := range lists {
		gv, _ := schema.ParseGroupVersion(list.GroupVersion)
		for _, r := range list.APIResources {
			if r.Group == "" && r.Version == "" {
				r.Group, r.Version = gv.Group, gv.Version
			}
			r.StorageVersionHash = ""
			if strings.Contains(r.Name, "/") {
				r.SingularName = ""
			}
			out[list.GroupVersion] = append(out[list.GroupVersion], r)
		}
	}
	return out
}

// Upstream's own server lists autoscaling/v2 before v1: by stability, then newest first.
func TestPreferredVersion(t *testing.T) {
	_, body := get(t, serve(t, rows()), "/apis/autoscaling")
	require.JSONEq(t, `{
		"kind": "APIGroup", "apiVersion": "v1", "name": "autoscaling",
		"versions": [
			{"groupVersion": "autoscaling/v2", "version": "v2"},
			{"groupVersion": "autoscaling/v1", "version": "v1"}
		],
		"preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"}
	}`, string(body))
}

// The entries are those of a real server, its storage version hash included.
func TestResourceList(t *testing.T) {
	server := serve(t, rows())
	_, body := get(t, server, "/apis/apps/v1/")
	require.JSONEq(t, `{
		"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1",
		"resources": [
			{"name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment",
			 "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
			 "shortNames": ["deploy"], "storageVersionHash": "8aSe+NMegvE="},
			{"name": "deployments/scale", "singularName": "", "namespaced": true,
			 "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]},
			{"name": "deployments/status", "singularName": "", "namespaced": true,
			 "kind": "Deployment", "verbs": ["get", "patch", "update"]}
		]}`, string(body))

	_, body = get(t, server, "/api/v1")
	var list metav1.APIResourceList
	require.NoError(t, json.Unmarshal(body, &list))
	require.Equal(t, metav1.APIResource{
		Name: "pods/eviction", Namespaced: true, Group: "policy", Version: "v1", Kind: "Eviction",
		Verbs: []string{"create"},
	}, list.APIResources[3])

	_, body = get(t, server, "/apis/minik.dev/v1")
	list = metav1.APIResourceList{}
	require.NoError(t, json.Unmarshal(body, &list))
	require.False(t, list.APIResources[0].Namespaced)
	require.Equal(t, metav1.Verbs{"get", "list", "watch"}, list.APIResources[0].Verbs)
}

func TestRoots(t *testing.T) {
	server := serve(t, rows())
	_, body := get(t, server, "/api")
	require.JSONEq(t, `{"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"],
		"serverAddressByClientCIDRs": []}`, string(body))
	_, body = get(t, server, "/apis")
	var list metav1.APIGroupList
	require.NoError(t, json.Unmarshal(body, &list))
	var names []string
	for _, g := range list.Groups {
		names = append(names, g.Name)
	}
	require.Equal(t, []string{"events.k8s.io", "autoscaling", "apps", "minik.dev"}, names)
}

// kubectl turns what people type into a resource by way of client-go's RESTMapper.
func TestRESTMapper(t *testing.T) {
	groups, err := restmapper.GetAPIGroupResources(client(t, serve(t, rows()), ""))
	require.NoError(t, err)
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for typed, want := range map[string]schema.GroupVersionKind{
		"pods": kind("", "v1", "Pod"), "deployment": kind("apps", "v1", "Deployment"),
		"events": kind("", "v1", "Event"), "revisions": kind("minik.dev", "v1", "Revision"),
	} {
		got, err := mapper.KindFor(schema.GroupVersionResource{Resource: typed})
		require.NoError(t, err)
		require.Equal(t, want, got, typed)
	}
}

// The Accept headers are those of kubectl 1.37, kubectl 1.26 to 1.29, older ones, and curl.
func TestNegotiation(t *testing.T) {
	server := serve(t, rows())
	const v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
	const v2beta1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
	const binary = "application/vnd.kubernetes.protobuf"
	for _, c := range []struct{ path, accept, want string }{
		{"/apis", "", "application/json"},
		{"/apis", "*/*", "application/json"},
		{"/apis", "text/html,application/xml;q=0.9,*/*;q=0.8", "application/json"},
		{"/apis", v2 + "," + v2beta1 + ",application/json", v2},
		{"/api", v2 + ";profile=nopeer," + v2 + ",application/json", v2},
		{"/apis", v2beta1 + ",application/json", v2beta1},
		{"/apis/apps", v2 + ",application/json", "application/json"},
		{"/apis/apps/v1", binary + ",application/json", binary},
		{"/apis", "application/json;q=0.5," + binary, binary},
		{"/apis", "application/yaml", "application/yaml"},
		{"/api/v1", "text/html,application/yaml;q=0.9", "application/yaml"},
		{"/api", "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
			"application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"},
		{"/apis", binary + ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
			binary + ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"},
	} {
		answer, _ := get(t, server, c.path, "Accept", c.accept)
		require.Equal(t, http.StatusOK, answer.StatusCode, c)
		require.Equal(t, c.want, answer.Header.Get("Content-Type"), c)
		require.Equal(t, "Accept", answer.Header.Get("Vary"))
	}

	for path, accept := range map[string]string{"/apis/apps": v2, "/apis": "text/html", "/api/v1": "application/cbor"} {
		answer, body := get(t, server, path, "Accept", accept)
		require.Equal(t, http.StatusNotAcceptable, answer.StatusCode)
		var status metav1.Status
		require.NoError(t, json.Unmarshal(body, &status))
		require.Equal(t, "only the following media types are accepted: application/json, application/yaml, "+binary, status.Message)
	}
}

func TestYAMLSaysTheSame(t *testing.T) {
	server := serve(t, rows())
	for _, path := range []string{"/api", "/apis", "/apis/apps", "/apis/apps/v1"} {
		_, plain := get(t, server, path)
		_, body := get(t, server, path, "Accept", runtime.ContentTypeYAML)
		require.YAMLEq(t, string(plain), string(body), path)
		require.NotEqual(t, plain, body)
	}
}

func TestProtobufSaysTheSame(t *testing.T) {
	server := serve(t, rows())
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	require.NoError(t, apidiscoveryv2.AddToScheme(scheme))
	decoder := protobuf.NewSerializer(scheme, scheme)

	_, body := get(t, server, "/apis/apps/v1", "Accept", runtime.ContentTypeProtobuf)
	list := &metav1.APIResourceList{}
	_, _, err := decoder.Decode(body, nil, list)
	require.NoError(t, err)
	_, body = get(t, server, "/apis/apps/v1")
	var fromJSON metav1.APIResourceList
	require.NoError(t, json.Unmarshal(body, &fromJSON))
	require.Equal(t, fromJSON.APIResources, list.APIResources)

	// A client whose own configuration is protobuf reads it too.
	resources, err := client(t, server, runtime.ContentTypeProtobuf).ServerResourcesForGroupVersion("apps/v1")
	require.NoError(t, err)
	require.Equal(t, fromJSON.APIResources, resources.APIResources)
}

func TestETag(t *testing.T) {
	server := serve(t, rows())
	first, body := get(t, server, "/apis")
	require.NotEmpty(t, body)
	again, body := get(t, server, "/apis", "If-None-Match", first.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.StatusCode)
	require.Empty(t, body)

	aggregated, _ := get(t, server, "/apis", "Accept", clientdiscovery.AcceptV2)
	require.NotEqual(t, first.Header.Get("ETag"), aggregated.Header.Get("ETag"))
}

func TestOtherRequests(t *testing.T) {
	server := serve(t, rows())
	for _, path := range []string{"/", "/api/v2", "/apis/nope", "/apis/apps/v2", "/api/v1/pods"} {
		answer, _ := get(t, server, path)
		require.Equal(t, http.StatusNotFound, answer.StatusCode, path)
	}
	answer, err := server.Client().Post(server.URL+"/apis", "application/json", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
}
