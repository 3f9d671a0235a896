package apiserver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

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
	// rows are the kinds that are served when the request comes.
	rows *resources.Rows
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

	// past is the revision whose state is asked for (/at/<revision>/…); 0 is the present, and noRevision what can't be one.
	past int64
	// then is what time it is in this request's tables; zero is now.
	then time.Time

	// content is the body, once contentRead says that it has been read.
	content     []byte
	contentRead bool

	// options are those of a write, as the query has them; nil before they are checked.
	options runtime.Object
	// notes are what the plugins of admission leave for the log.
	notes []any

	user     auth.User
	received time.Time
	cause    journal.Cause
	reason   string
}

// parse reads the path. It never fails: a path that names no resource that is served is left without a row.
func (s *Server) parse(w http.ResponseWriter, req *http.Request) *request {
	past, path := pastOf(req.URL.Path)
	if past != 0 {
		req = withPath(req, path)
	}
	r := &request{Request: req, w: w, verb: strings.ToLower(req.Method), received: s.Clock.Now(), past: past,
		rows: s.registry.Rows()}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		r.version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		r.group, r.version, parts = parts[1], parts[2], parts[3:]
	default:
		return r
	}
	// watch/… is a watch of what follows: upstream's way before ?watch=1, and still a way to watch one object by its path.
	watched := parts[0] == "watch" && len(parts) >= 2
	if watched {
		parts = parts[1:]
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
	if v, ok := r.rows.Find(schema.GroupVersionResource{Group: r.group, Version: r.version, Resource: r.resource}); ok {
		r.row, r.served = v.Row, v.Served
		if r.subresource != "" {
			r.sub, _ = r.row.Subresource(r.subresource)
		}
	}
	if r.verb = verbOf(req, r.name); watched {
		r.verb = "watch" // whatever the method: GET alone is served
	}
	return r
}

// verbOf is the API's verb for the method.
func verbOf(req *http.Request, name string) string {
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
		case name != "":
			return "get"
		case asksToWatch(req.URL.Query()["watch"]):
			return "watch"
		default:
			return "list"
		}
	}
	return strings.ToLower(req.Method)
}

// asksToWatch reads the query's watch as upstream reads every yes or no: what does not say no is yes.
func asksToWatch(said []string) bool {
	return len(said) > 0 && said[0] != "0" && !strings.EqualFold(said[0], "false")
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

// document is the kind of the body: that of the subresource where it has one of its own.
func (r *request) document() schema.GroupVersionKind {
	if r.part() {
		return r.sub.Kind
	}
	return r.kind()
}

// listKind is the kind of a list of the version that is asked for.
func (r *request) listKind() schema.GroupVersionKind {
	k := r.kind()
	k.Kind += "List"
	return k
}

// dryRun reports whether nothing is to be written. All is the one value there is: checkWriteOptions refuses others.
func (r *request) dryRun() bool { return len(r.URL.Query()["dryRun"]) > 0 }

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

// write is who writes, and when, to the second: what an object's own times are kept in.
func (r *request) write() resources.Write {
	return resources.Write{User: r.user, Now: metav1.NewTime(r.received.Truncate(time.Second))}
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

// note adds to what is logged of the request.
func (r *request) note(key, value string) { r.notes = append(r.notes, key, value) }

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

// longRunning reports whether the request lasts as long as the client likes: a watch, or a connection to something else.
func (r *request) longRunning() bool {
	return r.verb == "watch" || r.passedOn()
}

// passedOn reports whether somebody else answers: the node of a pod, or what an object serves.
func (r *request) passedOn() bool {
	return r.sub != nil && slices.Contains([]resources.Way{resources.Logs, resources.Streams, resources.Proxies}, r.sub.Way)
}
