package apiserver

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/api"
	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
	"minik.dev/journal"
)

// request is one call of the API: what the path and the method name, and who calls.
type request struct {
	*http.Request
	w http.ResponseWriter

	// verb is the API's verb: get, list, watch, create, update, patch, delete, deletecollection; for a path that names no
	// resource it is the method in small letters.
	verb string
	// row and served say which kind is addressed, and in which version: served is nil for the stored one. row is nil for a
	// path that names no resource.
	row    *resources.Resource
	served *resources.Served
	// sub is the subresource that is addressed, or nil.
	sub *resources.Subresource
	// group, version, resource, subresource, namespace and name are the path's parts; resource is set even where there is
	// no such resource. tail is what follows the subresource.
	group, version, resource, subresource string
	namespace, name, tail                 string

	user     auth.User
	received time.Time
	cause    journal.Cause
	reason   string
}

// parse reads the path. It never fails: a path that names no resource that is served is left without a row.
func (s *Server) parse(w http.ResponseWriter, req *http.Request) *request {
	r := &request{Request: req, w: w, verb: strings.ToLower(req.Method), received: s.Clock.Now()}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		r.version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		r.group, r.version, parts = parts[1], parts[2], parts[3:]
	default:
		return r
	}
	// namespaces/<ns>/<resource>… addresses a resource in a namespace; namespaces/<ns> and its own subresources address
	// the namespace.
	if parts[0] == "namespaces" && len(parts) >= 3 && parts[2] != "status" && parts[2] != "finalize" {
		r.namespace, parts = parts[1], parts[2:]
	}
	r.resource = parts[0]
	if len(parts) > 1 {
		r.name = parts[1]
	}
	if len(parts) > 2 {
		r.subresource, r.tail = parts[2], strings.Join(parts[3:], "/")
	}
	if row, ok := s.rows[schema.GroupVersionResource{Group: r.group, Version: r.version, Resource: r.resource}]; ok {
		r.row = row.row
		r.served = row.served
		if r.subresource != "" {
			r.sub, _ = r.row.Subresource(r.subresource)
		}
	}
	r.verb = verbOf(req, r.name)
	return r
}

// verbOf is the API's verb for the method.
func verbOf(req *http.Request, name string) string {
	watch, _ := strconv.ParseBool(req.URL.Query().Get("watch"))
	switch req.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if name == "" {
			return "deletecollection"
		}
		return "delete"
	case http.MethodGet, http.MethodHead:
		switch {
		case watch:
			return "watch"
		case name == "":
			return "list"
		default:
			return "get"
		}
	}
	return strings.ToLower(req.Method)
}

// kind is the kind of the addressed object, in the version that is asked for.
func (r *request) kind() schema.GroupVersionKind {
	if r.served != nil {
		return r.served.Kind
	}
	return r.row.Kind
}

func (r *request) gr() schema.GroupResource {
	return schema.GroupResource{Group: r.group, Resource: r.resource}
}

// in makes an empty object of the version that is asked for.
func (r *request) in() resources.Object {
	if r.served != nil {
		return r.served.New()
	}
	return r.row.New()
}

// stored turns an object of the version that is asked for into the stored one.
func (r *request) stored(obj resources.Object) resources.Object {
	if r.served != nil {
		return r.served.To(obj)
	}
	return obj
}

// out turns a stored object into the version that is asked for.
func (r *request) out(obj resources.Object) resources.Object {
	if r.served == nil {
		return obj
	}
	obj = r.served.From(obj)
	obj.GetObjectKind().SetGroupVersionKind(r.served.Kind)
	return obj
}

// part reports whether the subresource has a body of its own kind; a status has that of the whole object.
func (r *request) part() bool { return r.sub != nil && r.sub.New != nil }

// listKind is the kind of a list of the version that is asked for.
func (r *request) listKind() schema.GroupVersionKind {
	k := r.kind()
	k.Kind += "List"
	return k
}

// dryRun reports whether nothing is to be written. Any other value than All is refused.
func (r *request) dryRun() (bool, error) {
	values := r.URL.Query()["dryRun"]
	for _, v := range values {
		if v != "All" {
			return false, apierrors.NewBadRequest(fmt.Sprintf("dryRun: Unsupported value: %q: supported values: \"All\"", v))
		}
	}
	return len(values) > 0, nil
}

// entry is the journal's record of what this request writes.
func (r *request) entry(verb, name string) *journal.Entry {
	component, _, _ := strings.Cut(r.UserAgent(), "/")
	component, _, _ = strings.Cut(component, " ")
	return &journal.Entry{
		Actor: api.Actor{
			User:      r.user.Name,
			Component: bounded(component),
			Command:   bounded(r.Header.Get("Kubectl-Command")),
			Session:   bounded(r.Header.Get("Kubectl-Session")),
		},
		Verb:        verb,
		Group:       r.row.Kind.Group,
		Resource:    r.row.Plural,
		Namespace:   r.namespace,
		Name:        name,
		Subresource: r.subresource,
		Causes:      r.cause.Strings(),
		Reason:      r.reason,
		Time:        r.received.UTC(),
	}
}

// maxActor bounds what a client says of itself, in bytes: the journal keeps it with every write.
const maxActor = 256

// bounded is the beginning of what a client says of itself, as text.
func bounded(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxActor)], "") }

// maxWarnings bounds all Warning headers of an answer together, in bytes (upstream). What does not fit is left out.
const maxWarnings = 4096

// warn adds a Warning header, as kubectl shows them. What was said already is not said again.
func (r *request) warn(text string) {
	text = strings.NewReplacer("\\", "\\\\", "\"", "\\\"", "\n", " ", "\r", " ").Replace(text)
	warning, size := fmt.Sprintf("299 - \"%s\"", text), 0
	for _, said := range r.w.Header().Values("Warning") {
		if said == warning {
			return
		}
		size += len(said)
	}
	if size+len(warning) <= maxWarnings {
		r.w.Header().Add("Warning", warning)
	}
}

// manager names the field manager of the request's writes: what it says itself, or the program in its User-Agent.
func (r *request) manager() string {
	if m := r.URL.Query().Get("fieldManager"); m != "" {
		return m
	}
	name, _, _ := strings.Cut(r.UserAgent(), "/")
	name = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, name[:min(len(name), metav1validation.FieldManagerMaxLength)])
	if name == "" {
		name = "unknown"
	}
	return name
}

// checkManager checks the name of the field manager, of which managedFields keep a copy for ever.
func (r *request) checkManager() error {
	mistakes := metav1validation.ValidateFieldManager(r.URL.Query().Get("fieldManager"), field.NewPath("fieldManager"))
	if len(mistakes) == 0 {
		return nil
	}
	kind := strings.ToUpper(r.verb[:1]) + r.verb[1:] + "Options"
	return apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: kind}, "", mistakes)
}
