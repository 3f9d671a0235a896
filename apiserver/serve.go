package apiserver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"minik.dev/apiserver/resources"
)

// serve sends the request to its verb. Each verb is written once, for every kind.
func (s *Server) serve(r *request) error {
	if r.verb == "list" && r.URL.Path == definitions {
		return s.noDefinitions(r)
	}
	if err := s.addressable(r); err != nil {
		return err
	}
	if err := r.checkWriteOptions(); err != nil {
		return err
	}
	if err := r.Context().Err(); err != nil { // its time went by while it waited
		return err
	}
	if r.row.Deprecated != "" {
		r.warn(r.row.Deprecated)
	}
	switch {
	case r.row == s.revisions:
		return s.serveRevisions(r)
	case r.row.Report != nil:
		return s.report(r)
	case r.subresource != "":
		return s.serveSubresource(r)
	}
	switch r.verb {
	case "get":
		return s.get(r)
	case "list":
		return s.list(r)
	case "watch":
		return s.watch(r)
	case "create":
		return s.create(r)
	case "update":
		return s.update(r)
	case "patch":
		return s.patch(r)
	case "delete":
		return s.delete(r)
	default:
		return s.deleteCollection(r)
	}
}

// addressable checks that the path names something that is served by the verb.
func (s *Server) addressable(r *request) error {
	switch {
	case r.row == nil, r.subresource != "" && r.sub == nil, r.sub == nil && r.tail != "":
		return r.notServed()
	case r.row.ClusterScoped && r.namespace != "", r.verb == "watch" && r.sub != nil:
		return r.notServed()
	case r.verb == "watch" && r.Method != http.MethodGet && r.Method != http.MethodHead:
		return apierrors.NewMethodNotSupported(r.gr(), strings.ToLower(r.Method))
	case r.sub == nil && !r.row.Serves(r.verb):
		return apierrors.NewMethodNotSupported(r.gr(), r.verb)
	case r.verb == "create" && r.sub == nil && r.name != "":
		return apierrors.NewMethodNotSupported(r.gr(), r.verb)
	case (r.verb == "update" || r.verb == "patch") && r.name == "":
		return apierrors.NewMethodNotSupported(r.gr(), r.verb)
	case r.row.ClusterScoped || r.namespace != "":
		return nil
	case r.verb == "list", r.verb == "watch":
		return nil // in all namespaces
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("%s is namespaced: an empty namespace may not be set for %s",
			r.resource, r.verb))
	}
}

// serveSubresource serves what lies below an object.
func (s *Server) serveSubresource(r *request) error {
	switch way := r.sub.Way; {
	case way == resources.Proxies: // whatever the method
		return s.connect(r)
	case !slices.Contains(r.sub.Verbs, r.verb):
		return apierrors.NewMethodNotSupported(r.gr(), r.verb)
	case way == resources.Evicts:
		return s.evict(r)
	case way == resources.Logs, way == resources.Streams:
		return s.connect(r)
	case r.verb == "create":
		return s.createSubresource(r)
	case r.verb == "update":
		return s.update(r)
	case r.verb == "patch":
		return s.patch(r)
	case r.part():
		return s.getSubresource(r)
	default:
		return s.get(r)
	}
}
