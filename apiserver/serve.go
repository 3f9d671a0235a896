package apiserver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
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

// find is the newest state of the addressed object. It asks the cache first, which is right unless the object is not
// there or older than what was acknowledged; fresh asks for the newest in any case.
func (s *Server) find(r *request, fresh bool) (*store.Entry, error) {
	if r.past != 0 {
		return s.store.GetAt(r.Context(), r.row, r.namespace, r.name, r.past)
	}
	if fresh {
		if err := s.store.Fresh(r.Context()); err != nil {
			return nil, err
		}
	}
	entry, _ := s.store.Get(r.row, r.namespace, r.name)
	if entry == nil && !fresh {
		return s.find(r, true)
	}
	if entry == nil {
		return nil, store.ErrNotFound
	}
	return entry, nil
}

// answer answers with one object of the stored version, as the client wants to see it.
func (s *Server) answer(r *request, code int, entry *store.Entry) error {
	m, err := negotiate(r.Request, hasProto(entry.Object), false)
	if err != nil {
		return err
	}
	var body []byte
	switch {
	case m.As == "Table":
		table, err := s.tableOf(r, m, []*store.Entry{entry})
		if err != nil {
			return err
		}
		table.ResourceVersion = entry.Object.GetResourceVersion()
		s.write(r, m, code, table)
		return nil
	case r.served != nil:
		obj := r.out(entry.Object)
		if m.As != "" {
			s.write(r, m, code, partial(obj, m.AsVersion))
			return nil
		}
		s.write(r, m, code, obj)
		return nil
	case m.As != "" && (m.Type == mediaYAML || m.Pretty):
		s.write(r, m, code, partial(entry.Object, m.AsVersion))
		return nil
	}
	if body, err = m.entryBytes(entry); err != nil {
		return err
	}
	s.send(r, m, code, body)
	return nil
}

// success is the Status that answers a deletion.
func success(r *request, uid types.UID) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusSuccess,
		Details:  &metav1.StatusDetails{Name: r.name, Group: r.group, Kind: r.resource, UID: uid},
	}
}

// plain answers with an object that has no row: a Status, a Scale.
func (s *Server) plain(r *request, code int, obj runtime.Object) error {
	m, err := negotiate(r.Request, hasProto(obj), false)
	if err != nil {
		return err
	}
	if m.As == "Table" && r.part() && r.sub.Cells != nil {
		table, err := s.partTable(r, m, obj)
		if err != nil {
			return err
		}
		s.write(r, m, code, table)
		return nil
	}
	s.write(r, m, code, obj)
	return nil
}
