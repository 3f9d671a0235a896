package openapi

import (
	"net/http"
	"strings"
	"sync"

	"k8s.io/kube-openapi/pkg/cached"
	"k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"minik.dev/apiserver/resources"
)

// New serves the OpenAPI documents of the table: /openapi/v2, /openapi/v3, and below the latter one document for each
// version, such as /openapi/v3/apis/apps/v1. Any other path is 404. The version is that of the server, "v1.37.2+minik".
// Each document is made when it is first asked for.
func New(rows []*resources.Resource, version string) http.Handler {
	kinds := kindsOf(rows)
	merging := sync.OnceValues(newMerging)
	mux := http.NewServeMux()

	whole := cached.Func(func() (*spec.Swagger, string, error) {
		merging, err := merging()
		if err != nil {
			return nil, "", err
		}
		return newDocument(kinds, merging).v2(version), version, nil
	})
	handler.NewOpenAPIServiceLazy(cached.Once(whole)).RegisterOpenAPIVersionedService("/openapi/v2", mux)

	service := handler3.NewOpenAPIService()
	mux.HandleFunc("/openapi/v3", service.HandleDiscovery)
	for _, gv := range groupVersions(kinds) {
		var served []kind
		for _, k := range kinds {
			if k.gvk.GroupVersion() == gv {
				served = append(served, k)
			}
		}
		part := cached.Func(func() (*spec3.OpenAPI, string, error) {
			merging, err := merging()
			if err != nil {
				return nil, "", err
			}
			return newDocument(served, merging).v3(version), version, nil
		})
		service.UpdateGroupVersionLazy(root(gv), cached.Once(part))
		mux.HandleFunc("/openapi/v3/"+root(gv), service.HandleGroupVersion)
	}
	return readOnly(mux)
}

// readOnly refuses what is not a read, and takes a slash at the end of a path for none.
func readOnly(next *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "OpenAPI documents are read-only: "+r.Method+" is not allowed", http.StatusMethodNotAllowed)
			return
		}
		if path := strings.TrimSuffix(r.URL.Path, "/"); path != r.URL.Path {
			r = r.Clone(r.Context())
			r.URL.Path = path
		}
		next.ServeHTTP(w, r)
	})
}
