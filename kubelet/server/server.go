package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"minik.dev/kubelet/runtime"
)

// apiServerName is the common name of the only client certificate that is let in.
const apiServerName = "kube-apiserver-kubelet-client"

// Options are what a Server is made with.
type Options struct {
	// Node is the node's name.
	Node    string
	Runtime runtime.Runtime
	Pods    Pods
	// Listen opens the listener; nil means no server. TLS is its certificate and, in ClientCAs, who signs the API server's.
	Listen func() (net.Listener, error)
	TLS    *tls.Config
	// Dial connects to an address of the cluster. HostIPs are the node's own addresses, the primary one first: those of pods on
	// its network.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	HostIPs []string
	Clock   clock.PassiveClock
	Logger  *slog.Logger
}

// Pods are the node's pods as its kubelet sees them, each a copy with the newest status computed.
type Pods interface {
	List() []*corev1.Pod
	// Find is the pod of that name; nil where there is none.
	Find(namespace, name string) *corev1.Pod
}

// Server answers what the API server asks of a node.
type Server struct {
	options Options
	log     *slog.Logger
}

// New makes a server. It starts nothing.
func New(options Options) *Server { return &Server{options: options, log: options.Logger} }

// Start opens the server, and returns how to close it: with every connection, at once.
func (s *Server) Start(ctx context.Context) (stop func(), err error) {
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
		Handler:           inFlight(ctx, onlyAPIServer(s.routes())),
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

// inFlight ends every request with ctx.
func inFlight(ctx context.Context, next http.Handler) http.Handler {
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

func (s *Server) routes() http.Handler {
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
func (s *Server) servePods(w http.ResponseWriter, _ *http.Request) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []corev1.Pod{}}
	for _, pod := range s.options.Pods.List() {
		list.Items = append(list.Items, *pod)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(list); err != nil {
		s.log.Debug("a list of pods was not sent", "error", err)
	}
}
