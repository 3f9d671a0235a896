package inprocess

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/pprof"
	"strconv"
	"sync"

	"k8s.io/utils/clock"
)

// Server answers the requests of this process.
type Server struct {
	// Handler is the one that serves the network.
	Handler http.Handler
	// TLS has the CAs that signed the certificates of clients.
	TLS      *tls.Config
	Stopping <-chan struct{} // closed when the server stops
	Clock    clock.Clock
	Logger   *slog.Logger

	workers *workers
}

// New makes the way into the server; what it is made of is not changed afterwards.
func New(s Server) *Server {
	s.workers = newWorkers(s.Clock, s.Stopping)
	return &s
}

// RoundTripper sends requests to the handler as the user whom the certificate names, without sockets, TLS and HTTP/2. The
// certificate is checked as in a handshake.
func (s *Server) RoundTripper(certificate *x509.Certificate) (http.RoundTripper, error) {
	chains, err := certificate.Verify(x509.VerifyOptions{
		Roots: s.TLS.ClientCAs, CurrentTime: s.Clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, fmt.Errorf("checking the certificate of %s: %w", certificate.Subject.CommonName, err)
	}
	return &roundTripper{server: s, tls: &tls.ConnectionState{HandshakeComplete: true, VerifiedChains: chains,
		PeerCertificates: []*x509.Certificate{certificate}}}, nil
}

// ownWork is what a profile of the process is told of an answer: it is not the work of the part that asks.
var ownWork = pprof.Labels("part", "the API server")

// roundTripper is an http.RoundTripper.
type roundTripper struct {
	server *Server
	tls    *tls.ConnectionState
}

// RoundTrip returns when the answer begins. The handler's context ends with the client's, and when the body is closed.
func (d *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-d.server.Stopping:
		if req.Body != nil {
			_ = req.Body.Close() // nobody reads it
		}
		return nil, fmt.Errorf("asking the API server of this process: %w", http.ErrServerClosed)
	default:
	}
	ctx, cancel := context.WithCancel(req.Context())
	in := req.Clone(ctx)
	in.TLS, in.RequestURI = d.tls, req.URL.RequestURI()
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/2.0", 2, 0
	if in.Host == "" {
		in.Host = req.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	out := newAnswer(ctx, cancel)
	d.server.workers.do(func() {
		pprof.SetGoroutineLabels(pprof.WithLabels(ctx, ownWork))
		defer in.Body.Close() //nolint:errcheck // it was read, or nobody wants it
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // as in finish
				d.server.Logger.Error("an answer broke off", "component", "apiserver", "path", req.URL.Path, "panic", p)
			}
			out.end()
		}()
		d.server.Handler.ServeHTTP(out, in)
		out.done = true
	})
	select {
	case <-out.begun:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if out.code == 0 {
		cancel()
		return nil, io.ErrUnexpectedEOF
	}
	response := &http.Response{
		Status: strconv.Itoa(out.code) + " " + http.StatusText(out.code), StatusCode: out.code,
		Proto: in.Proto, ProtoMajor: in.ProtoMajor, Header: out.sent, Body: out, ContentLength: -1, Request: req,
	}
	if n, err := strconv.ParseInt(out.sent.Get("Content-Length"), 10, 64); err == nil {
		response.ContentLength = n
	}
	return response, nil
}

// heldBack is how much of an answer may wait for the client to read it. A piece that is larger waits alone.
const heldBack = 64 << 10

// Answer is an answer from both sides: the handler's http.ResponseWriter, and the body that the client reads.
type Answer struct {
	ctx    context.Context // of the handler
	cancel context.CancelFunc
	header http.Header // the handler's
	begun  chan struct{}
	code   int         // set before begun is closed; 0: the handler broke off before it answered
	sent   http.Header // set before begun is closed
	ended  chan struct{}
	done   bool // set before ended is closed: the handler came to its end

	mu    sync.Mutex
	held  []byte        // written and not taken by the reader; guarded by mu
	taken []byte        // the reader's: what it took last, and
	rest  []byte        // what of that is not read yet
	more  chan struct{} // has something when there is more to take
	room  chan struct{} // has something when there is room again
}

func newAnswer(ctx context.Context, cancel context.CancelFunc) *Answer {
	return &Answer{ctx: ctx, cancel: cancel, header: http.Header{}, begun: make(chan struct{}), ended: make(chan struct{}),
		more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// Header is http.ResponseWriter's.
func (a *Answer) Header() http.Header { return a.header }

// WriteHeader is http.ResponseWriter's.
func (a *Answer) WriteHeader(code int) {
	if a.code != 0 || code < http.StatusOK { // what is said before the answer is for who waits for it on a wire
		return
	}
	a.code, a.sent = code, maps.Clone(a.header)
	close(a.begun)
}

// Write is http.ResponseWriter's. It waits while much is held back that the client has not read.
func (a *Answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	for {
		a.mu.Lock()
		full := len(a.held) > 0 && len(a.held)+len(b) > heldBack
		if !full {
			a.held = append(a.held, b...)
		}
		a.mu.Unlock()
		if !full {
			return len(b), nil
		}
		signal(a.more)
		select {
		case <-a.room:
		case <-a.ctx.Done():
			return 0, a.ctx.Err()
		}
	}
}

// FlushError is what http.ResponseController looks for: the client may read what was written.
func (a *Answer) FlushError() error {
	a.WriteHeader(http.StatusOK)
	signal(a.more)
	return a.ctx.Err()
}

// end lets the client read the rest.
func (a *Answer) end() {
	if a.done {
		a.WriteHeader(http.StatusOK)
	} else if a.code == 0 {
		close(a.begun)
	}
	close(a.ended)
}

// Read is the body's.
func (a *Answer) Read(b []byte) (int, error) {
	for len(a.rest) == 0 {
		over := false
		select {
		case <-a.more:
		case <-a.ended:
			over = true
		case <-a.ctx.Done():
			return 0, a.ctx.Err()
		}
		a.mu.Lock()
		a.rest, a.held, a.taken = a.held, a.taken[:0], a.held
		a.mu.Unlock()
		signal(a.room)
		switch {
		case len(a.rest) > 0 || !over:
		case a.done:
			return 0, io.EOF
		default:
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(b, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close is the body's. It ends the handler's context.
func (a *Answer) Close() error {
	a.cancel()
	return nil
}

// signal tells whoever waits, or will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is told already
	}
}
