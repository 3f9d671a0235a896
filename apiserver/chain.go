package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
	"minik.dev/journal"
)

// requestTimeout is how long a request may take that is neither a watch nor a connection.
const requestTimeout = time.Minute

// chain is the way of every request, in order.
func (s *Server) chain(discovery, openapi http.Handler) http.Handler {
	plain := s.plainPaths(discovery, openapi)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.running.Add(1)
		defer s.ended()
		out := newRecorder(w, req, s.Clock)
		defer s.answers.begin(out)()
		connection := connectionOf(req.Context())
		if connection != nil {
			connection.sendAway(w.Header())
		}
		r := s.parse(out, req) // what is asked for
		defer func() {
			if connection != nil && errors.Is(req.Context().Err(), context.Canceled) {
				connection.brokeOff()
			}
		}()
		defer s.finish(r, out)
		if err := s.identify(r); err != nil { // who asks
			s.fail(r, err)
			return
		}
		if err := s.authorize(r); err != nil { // may they?
			s.fail(r, err)
			return
		}
		if r.user.Name != auth.Anonymous {
			s.connections.identified(connection)
		}
		giveBack, err := s.readBody(r) // all that the client has to say, before it takes a place
		if err != nil {
			s.fail(r, err)
			return
		}
		defer giveBack()
		release, err := s.admitLoad(r) // is there room?
		if err != nil {
			s.fail(r, err)
			return
		}
		defer release()
		if err := s.openPast(r); err != nil { // is it there, and asked for reading?
			s.fail(r, err)
			return
		}
		if r.resource == "" {
			plain.ServeHTTP(out, r.Request)
			return
		}
		if err := s.serve(r); err != nil { // the verb
			s.fail(r, err)
		}
	})
}

// ended tells drain, if that waits, that a request ended.
func (s *Server) ended() {
	s.running.Add(-1)
	select {
	case s.requestEnded <- struct{}{}:
	default: // it is told already
	}
}

// finish counts the request, and turns a panic into an answer.
func (s *Server) finish(r *request, out *recorder) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http panics with this very value
			panic(p)
		}
		s.Logger.Error("a request panicked", "component", "apiserver", "path", r.URL.Path, "panic", p,
			"stack", string(debug.Stack()))
		if out.code == 0 {
			s.fail(r, fmt.Errorf("this request caused apiserver to panic: look in the logs for details"))
		}
	}
	took := s.Clock.Since(r.received)
	s.metrics.request(r, out.code, took.Seconds())
	s.Logger.Debug("request", append([]any{"component", "apiserver", "verb", r.verb, "path", r.URL.Path, "code", out.code,
		"user", r.user.Name, "took", took}, r.notes...)...)
}

// identify says who makes the request, and what it says of its cause.
func (s *Server) identify(r *request) error {
	user, err := auth.Authenticate(r.Request)
	if err != nil {
		return apierrors.NewUnauthorized("Unauthorized") // no word of what was wrong, as upstream
	}
	as, asked, err := auth.Impersonate(user, r.Header)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if asked && !auth.MayImpersonate(user) {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "users"}, as.Name,
			fmt.Errorf("User %q cannot impersonate resource \"users\" in API group \"\" at the cluster scope", user.Name))
	}
	r.user = as
	r.cause, r.reason, err = journal.FromRequest(r.Header)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	return nil
}

// authorize lets the request through or refuses it in upstream's words.
func (s *Server) authorize(r *request) error {
	allowed, _ := s.authorizer.Authorize(auth.Attributes{
		User: r.user, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource,
		Namespace: r.namespace, Name: r.name, Path: r.URL.Path,
	})
	if allowed {
		return nil
	}
	if r.resource == "" {
		e := apierrors.NewForbidden(schema.GroupResource{}, "", nil)
		e.ErrStatus.Message = fmt.Sprintf("forbidden: User %q cannot %s path %q", r.user.Name, r.verb, r.URL.Path)
		return e
	}
	resource := r.resource
	if r.subresource != "" {
		resource += "/" + r.subresource
	}
	scope, namespace := "at the cluster scope", r.namespace
	if r.group == "" && r.resource == "namespaces" {
		namespace = r.name // upstream takes a namespace to be in itself
	}
	if namespace != "" {
		scope = fmt.Sprintf("in the namespace %q", namespace)
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: r.group, Resource: r.resource}, r.name,
		fmt.Errorf("User %q cannot %s resource %q in API group %q %s", r.user.Name, r.verb, resource, r.group, scope))
}

// longRunning reports whether the request lasts as long as the client likes: a watch, or a connection to something else.
func (r *request) longRunning() bool {
	return r.verb == "watch" || r.passedOn()
}

// passedOn reports whether somebody else answers: the node of a pod, or what an object serves.
func (r *request) passedOn() bool {
	return r.sub != nil && slices.Contains([]resources.Way{resources.Logs, resources.Streams, resources.Proxies}, r.sub.Way)
}

// admitLoad takes a place among the requests that run at the same time, or says that there is none. What it returns gives
// the place back.
func (s *Server) admitLoad(r *request) (func(), error) {
	if r.longRunning() || r.resource == "" {
		return func() {}, nil
	}
	timeout, err := r.timeout()
	if err != nil {
		return nil, err
	}
	release, ok := s.load.take(r.Method, r.user)
	if !ok {
		return nil, tooMany(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	r.Request = r.WithContext(ctx)
	if out, ok := r.w.(*recorder); ok {
		out.until = r.received.Add(timeout) // an answer that takes longer to be read breaks off, as upstream's
	}
	return func() { cancel(); release() }, nil
}

// fail answers with an error.
func (s *Server) fail(r *request, err error) {
	status := statusOf(err, r.gr(), r.name)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		status = statusOf(apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", maxBody)), r.gr(), r.name)
	}
	if status.Code == http.StatusInternalServerError && errors.Is(r.Context().Err(), context.DeadlineExceeded) {
		status = statusOf(timedOut(), r.gr(), r.name) // whatever it stopped at: its time was over
	}
	if status.Code >= 500 && !errors.Is(err, context.Canceled) {
		s.Logger.Error("a request failed", "component", "apiserver", "verb", r.verb, "path", r.URL.Path, "err", err)
	}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		r.w.Header().Set("Retry-After", fmt.Sprint(status.Details.RetryAfterSeconds))
	}
	m, negotiateErr := negotiate(r.Request, true, false)
	if negotiateErr != nil || m.As != "" {
		m = media{Type: mediaJSON}
	}
	s.write(r, m, int(status.Code), status)
}

// write answers with one object, as it is.
func (s *Server) write(r *request, m media, code int, obj runtime.Object) {
	body, err := m.encode(obj)
	if err != nil {
		s.Logger.Error("an answer can't be encoded", "component", "apiserver", "path", r.URL.Path, "err", err)
		http.Error(r.w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.send(r, m, code, body)
}

// send answers with bytes. That the client went away meanwhile is nobody's error.
func (s *Server) send(r *request, m media, code int, body []byte) {
	header := r.w.Header()
	header.Set("Content-Type", m.Type)
	header.Set("Cache-Control", "no-cache, private")
	if len(body) < compressFrom || !r.takesGzip() {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	out := r.compressed(code)
	_, _ = out.Write(body)
	_ = out.Close()
}

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
	return e
}
