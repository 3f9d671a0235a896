package apiserver

import "net/http"

// definitions is asked for by kubectl before it says that it does not know a kind: it might be a custom one.
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// noDefinitions says that no kind is custom. Discovery does not list the path: nothing can be written there.
func (s *Server) noDefinitions(r *request) error {
	s.send(r, media{Type: mediaJSON}, http.StatusOK, []byte(`{"kind":"CustomResourceDefinitionList",`+
		`"apiVersion":"apiextensions.k8s.io/v1","metadata":{},"items":[]}`+"\n"))
	return nil
}
