package apiserver

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// requestTimeout is how long a request may take that is neither a watch nor a connection.
const requestTimeout = time.Minute

// filter is one of what happens to every request before its verb. What it returns is called when the request has ended.
type filter func(*request) (after func(), err error)

// chain is the way of every request, in order.
func (s *Server) chain(discovery, openapi http.Handler) http.Handler {
	plain := s.plainPaths(discovery, openapi)
	filters := []filter{
		s.authenticate, // who asks?
		s.authorized,   // may they?
		s.readBody,     // all that the client has to say, before it takes a place
		s.takePlace,    // is there room?
		s.openPast,     // a read of the past: is it kept?
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer s.begun()()
		out := newRecorder(w, req, s.Clock)
		defer s.answers.begin(out)()
		r := s.parse(out, req) // what is asked for
		defer s.connections.follow(req, w.Header())()
		defer s.finish(r, out)
		for _, filter := range filters {
			after, err := filter(r)
			if err != nil {
				s.fail(r, err)
				return
			}
			if after != nil {
				defer after()
			}
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

// begun counts a request that runs. What it returns ends it, and tells drain, if that waits.
func (s *Server) begun() (ended func()) {
	s.running.Add(1)
	return func() {
		s.running.Add(-1)
		select {
		case s.requestEnded <- struct{}{}:
		default: // it is told already
		}
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
