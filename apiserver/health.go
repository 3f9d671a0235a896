package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
)

// KubernetesVersion is the version of the API that is served: that of the k8s.io modules this is built with.
const KubernetesVersion = "v1.37.2"

// check is one part of /healthz, /livez and /readyz.
type check struct {
	name string
	// live: the check is part of /livez as well. One that fails only while the server starts or stops is not.
	live bool
	fail func(context.Context) error
}

func (s *Server) checks() []check {
	return []check{
		{"ping", true, func(context.Context) error { return nil }},
		{"etcd", true, s.askEtcd},
		{"informer-sync", false, func(context.Context) error {
			select {
			case <-s.store.Ready():
				return nil
			default:
				return fmt.Errorf("the caches are not filled yet")
			}
		}},
		{"shutdown", false, func(context.Context) error {
			select {
			case <-s.stopping:
				return fmt.Errorf("the server is stopping")
			default:
				return nil
			}
		}},
	}
}

// askEtcd reads a key, which takes the agreement of etcd's members.
func (s *Server) askEtcd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := s.Etcd.Client.Get(ctx, "/minik/health")
	return err
}

// health answers /healthz, /livez and /readyz, whole (`?verbose` lists the checks, `?exclude=` leaves one out) or one
// check of it (/readyz/etcd).
func (s *Server) health(w http.ResponseWriter, req *http.Request) { serveChecks(s.checks(), w, req) }

func serveChecks(checks []check, w http.ResponseWriter, req *http.Request) {
	endpoint, only, _ := strings.Cut(strings.Trim(req.URL.Path, "/"), "/")
	excluded := sets.New(req.URL.Query()["exclude"]...)
	unknown := excluded.Clone()
	var out strings.Builder
	failed, found := false, false
	for _, c := range checks {
		if only != "" && c.name != only || endpoint == "livez" && !c.live {
			continue
		}
		found = true
		unknown.Delete(c.name)
		switch err := c.fail(req.Context()); {
		case excluded.Has(c.name):
			fmt.Fprintf(&out, "[+]%s excluded: ok\n", c.name)
		case err != nil:
			failed = true
			fmt.Fprintf(&out, "[-]%s failed: %v\n", c.name, err)
		default:
			fmt.Fprintf(&out, "[+]%s ok\n", c.name)
		}
	}
	if unknown.Len() > 0 {
		names := strings.Trim(fmt.Sprintf("%q", sets.List(unknown)), "[]")
		fmt.Fprintf(&out, "warn: some health checks cannot be excluded: no matches for %s\n", names)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, verbose := req.URL.Query()["verbose"]
	switch {
	case !found:
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, "there is no check %q\n", only) // the client is gone
	case failed:
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, "%s%s check failed\n", out.String(), endpoint) // as above
	case verbose:
		_, _ = fmt.Fprintf(w, "%s%s check passed\n", out.String(), endpoint) // as above
	default:
		_, _ = w.Write([]byte("ok")) // as above
	}
}
