package kubelet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apiServerName is the common name of the only client certificate that is let in.
const apiServerName = "kube-apiserver-kubelet-client"

// serve opens the kubelet's HTTPS server, and returns how to close it: with every connection, at once.
func (s *session) serve(ctx context.Context) (stop func(), err error) {
	if s.options.Listen == nil {
		return func() {}, nil
	}
	listener, err := s.options.Listen()
	if err != nil {
		return nil, fmt.Errorf("opening the server of node %s: %w", s.options.Node, err)
	}
	config := s.options.TLS.Clone()
	config.ClientAuth = tls.RequireAndVerifyClientCert
	ctx, cancel := context.WithCancel(ctx)
	server := &http.Server{
		Handler:           s.inFlight(ctx, onlyAPIServer(s.routes())),
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the kubelet's server ended", "error", err)
		}
	}()
	return func() {
		cancel()
		_ = server.Close()
		<-done
	}, nil
}

// inFlight ends every request with ctx, and lets the session wait for it.
func (s *session) inFlight(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		next.ServeHTTP(w, r.WithContext(request))
	})
}

// onlyAPIServer lets in who has shown the API server's certificate; TLS has checked who signed it.
func onlyAPIServer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		if name := r.TLS.PeerCertificates[0].Subject.CommonName; name != apiServerName {
			http.Error(w, fmt.Sprintf("Forbidden (user=%s): only %s may ask a kubelet", name, apiServerName),
				http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *session) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	mux.HandleFunc("GET /pods", s.servePods)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.serveLogs)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", s.serveExec)
	mux.HandleFunc("/attach/{namespace}/{pod}/{container}", s.serveAttach)
	mux.HandleFunc("/portForward/{namespace}/{pod}", s.servePortForward)
	return mux
}

// servePods lists the node's pods as this kubelet sees them.
func (s *session) servePods(w http.ResponseWriter, _ *http.Request) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []corev1.Pod{}}
	s.mu.Lock()
	entries := make([]*entry, 0, len(s.entries))
	for _, e := range s.entries {
		entries = append(entries, e)
	}
	s.mu.Unlock()
	for _, e := range entries {
		list.Items = append(list.Items, *e.snapshot())
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(list); err != nil {
		s.log.Debug("a list of pods was not sent", "error", err)
	}
}

// snapshot is the pod with the newest status computed.
func (e *entry) snapshot() *corev1.Pod {
	e.mu.Lock()
	defer e.mu.Unlock()
	pod := e.pod.DeepCopy()
	if e.last != nil {
		pod.Status = *e.last.DeepCopy()
	}
	return pod
}

// find is the pod of that name, with its newest status; a living one before one that is no longer in the API.
func (s *session) find(namespace, name string) *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *corev1.Pod
	for _, e := range s.entries {
		pod := e.snapshot()
		if pod.Namespace != namespace || pod.Name != name {
			continue
		}
		e.mu.Lock()
		gone := e.gone
		e.mu.Unlock()
		if found == nil || !gone {
			found = pod
		}
	}
	return found
}
