package apiserver

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/version"
)

// plainPaths serves what is no resource.
func (s *Server) plainPaths(discovery, openapi http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api", discovery)
	mux.Handle("/api/", discovery)
	mux.Handle("/apis", discovery)
	mux.Handle("/apis/", discovery)
	mux.Handle("/openapi/", openapi)
	mux.Handle("/metrics", s.metrics.handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/version", s.version)
	for _, path := range []string{"/healthz", "/livez", "/readyz"} {
		mux.HandleFunc(path, s.health)
		mux.HandleFunc(path+"/", s.health)
	}
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		paths := []string{"/api", "/api/v1", "/apis", "/debug/pprof", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz",
			"/version"}
		w.Header().Set("Content-Type", mediaJSON)
		_ = json.NewEncoder(w).Encode(metav1.RootPaths{Paths: paths})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		r := &request{Request: req, w: w, verb: strings.ToLower(req.Method)}
		s.fail(r, r.notServed())
	})
	return mux
}

// version answers /version, in JSON alone (upstream). GitVersion names Kubernetes' version first, because clients compare it with theirs.
func (s *Server) version(w http.ResponseWriter, req *http.Request) {
	if !takesJSON(req) {
		s.fail(&request{Request: req, w: w, verb: strings.ToLower(req.Method)}, notAcceptable(mediaJSON))
		return
	}
	parts := strings.SplitN(strings.TrimPrefix(KubernetesVersion, "v"), ".", 3)
	info := version.Info{
		Major:        parts[0],
		Minor:        parts[1],
		GitVersion:   KubernetesVersion + "+minik." + s.Version,
		GitTreeState: "clean",
		GoVersion:    runtime.Version(),
		Compiler:     runtime.Compiler,
		Platform:     runtime.GOOS + "/" + runtime.GOARCH,
	}
	w.Header().Set("Content-Type", mediaJSON)
	body, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body) // the client is gone
}

// notServed is the answer to a path that names nothing that is served. It says what was looked for in the words in which
// client-go tells of an unknown path. The details are empty, because clients tell by the name in them an object that is not
// there from a path that is not; kubectl debug falls over where there are none at all.
func (r *request) notServed() error {
	resource := r.gr()
	if r.subresource != "" {
		resource.Resource += "/" + r.subresource
	}
	e := apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, resource, r.name, "", 0, false)
	e.ErrStatus.Details = &metav1.StatusDetails{}
	if why := notYet[resource.String()]; why != "" {
		e.ErrStatus.Message += ": " + why
	}
	return e
}

// notYet says of what Kubernetes serves, and people ask for by kubectl, why it is not served here.
var notYet = map[string]string{
	"serviceaccounts/token": "minik issues no tokens to ServiceAccounts yet; the data dir's kubeconfig has a certificate",
}

// definitions is asked for by kubectl before it says that it does not know a kind: it might be a custom one.
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// noDefinitions says that no kind is custom. Discovery does not list the path: nothing can be written there.
func (s *Server) noDefinitions(r *request) error {
	s.send(r, media{Type: mediaJSON}, http.StatusOK, []byte(`{"kind":"CustomResourceDefinitionList",`+
		`"apiVersion":"apiextensions.k8s.io/v1","metadata":{},"items":[]}`+"\n"))
	return nil
}
