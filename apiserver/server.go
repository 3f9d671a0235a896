package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"minik.dev/apiserver/admission"
	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/discovery"
	"minik.dev/apiserver/etcd"
	"minik.dev/apiserver/fields"
	"minik.dev/apiserver/inprocess"
	"minik.dev/apiserver/openapi"
	"minik.dev/apiserver/passthrough"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
	"minik.dev/apiserver/store"
)

// Options of an API server.
type Options struct {
	// Name tells this API server from others that share the etcd.
	Name string
	// Etcd is where everything is stored.
	Etcd *etcd.Server
	// History bounds what is kept of the past.
	History store.History
	// TLS holds the serving certificate, and the CA that signs client certificates.
	TLS *tls.Config
	// Services are the addresses for cluster IPs; Reserved lies among them and is left to load balancers.
	Services netip.Prefix
	Reserved netip.Prefix
	// ExternalIPs are the addresses that a Service's externalIPs may name without a warning.
	ExternalIPs []netip.Prefix
	// Kubelet is the client side of the connections to kubelets.
	Kubelet *tls.Config
	// Refuse says why the API server does not connect to an address for its clients, "" where it does. It gets what somebody
	// has written into a Node, a Pod or an EndpointSlice, which may be anything. Required for logs, exec, attach,
	// port-forward and proxy: without it they are refused.
	Refuse func(what passthrough.Target, ip string, port int32) (why string)
	// Dial connects to an address of the cluster, and is required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Components says of the parts of the control plane that run in this process whether they do, by their names in
	// ComponentStatuses: nil is yes. Of a part that is not among them nothing is known.
	Components map[string]func() error
	// MaxConnections is how many connections clients may have at the same time; 0 is no bound. When there are more, those are
	// closed that nobody uses, or the new one is refused.
	MaxConnections int
	// Authorizer makes what decides who may do what, of what it can know of the objects; nil is auth.Builtin.
	Authorizer func(auth.Reader) auth.Authorizer
	// Version is minik's own, for /version.
	Version string

	// NewUID and NewSuffix make up what must be new: UIDs, and the five last characters of generated names.
	NewUID    func() types.UID
	NewSuffix func() string
	Clock     clock.WithTicker
	Logger    *slog.Logger
}

// Server is the API server.
type Server struct {
	Options
	registry *resources.Registry
	// changingKinds is held while a kind is added, replaced or removed, which happens in the registry and in the store.
	changingKinds sync.Mutex
	codecs        *codecs
	store         *store.Store
	admission     admission.Chain
	authorizer    auth.Authorizer
	fields        *fields.Managers
	metrics       *metrics
	passthrough   *passthrough.Passthrough
	handler       http.Handler
	// revisions is the row of the journal, which is not stored as objects.
	revisions *resources.Resource
	stopping  chan struct{} // closed when the server stops: ends the watches
	// running counts the requests that are being served; requestEnded has something when one of them ended.
	running      atomic.Int64
	requestEnded chan struct{}
	load         *load
	bodies       *bodies
	ownBodies    *bodies // of minik's components and nodes
	lists        *turns  // of those that are answered
	answers      *answers
	connections  *connections
	inprocess    *inprocess.Server
}

// New makes an API server. It starts nothing.
func New(o Options) (*Server, error) {
	if o.Dial == nil {
		return nil, errors.New("apiserver: Options.Dial is nil")
	}
	c, err := newCodecs()
	if err != nil {
		return nil, err
	}
	registry, err := resources.NewRegistry(builtin.All())
	if err != nil {
		return nil, err
	}
	s := &Server{
		Options: o, registry: registry, codecs: c,
		fields: fields.New(c.scheme), metrics: newMetrics(), stopping: make(chan struct{}), requestEnded: make(chan struct{}, 1),
		load: newLoad(maxReads, maxWrites), bodies: newBodies(bodiesBytes), ownBodies: newBodies(bodiesBytes), lists: newTurns(), answers: newAnswers(),
		connections: newConnections(o.Clock, o.MaxConnections),
	}
	var stored []*resources.Resource
	for _, row := range registry.Rows().All {
		if row.Journal {
			s.revisions = row
		}
		if row.Stored() {
			stored = append(stored, row)
		}
	}
	s.store = store.New(stored, store.Options{
		Client: o.Etcd.Client, SoleWriter: o.Etcd.SoleWriter, Server: o.Name, History: o.History,
		Observe: s.metrics.etcd, Defragment: o.Etcd.Defragment,
		JournalRow: s.revisions, JournalObject: revisionOf, Clock: o.Clock, Logger: o.Logger,
	})
	s.metrics.registry.MustRegister(keptHistory{s})
	s.authorizer = auth.Builtin{}
	if o.Authorizer != nil {
		s.authorizer = o.Authorizer(authReader{s})
	}
	s.admission = admission.NewChain(admission.Options{
		Reader: reader{s}, Services: o.Services, Reserved: o.Reserved, ExternalIPs: o.ExternalIPs, IntN: rand.IntN,
	})
	s.passthrough = passthrough.New(passthrough.Options{
		Reader: reader{s}, Kubelet: o.Kubelet, Refuse: o.Refuse, Dial: o.Dial, Random: rand.IntN,
		Stopping: s.stopping, Logger: o.Logger,
	})
	s.handler = s.chain(
		&madeOfRows{registry: registry, make: discovery.New},
		&madeOfRows{registry: registry, make: func(rows []*resources.Resource) http.Handler { return openapi.New(rows, o.Version) }},
	)
	s.inprocess = inprocess.New(inprocess.Server{
		Handler: s.handler, TLS: o.TLS, Stopping: s.stopping, Clock: o.Clock, Logger: o.Logger,
	})
	return s, nil
}

// Direct is the way to the server for what runs in its process: see inprocess.Server.RoundTripper.
func (s *Server) Direct(certificate *x509.Certificate) (http.RoundTripper, error) {
	return s.inprocess.RoundTripper(certificate)
}

// Run serves on the listener until ctx ends. The caches are filled before the first request is answered with them.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		TLSConfig:         s.TLS,
		ReadHeaderTimeout: 30 * time.Second, // of the handshake too
		IdleTimeout:       idlePatience,
		ConnState:         s.connections.changed,
		ConnContext:       s.connections.context,
		ErrorLog:          slog.NewLogLogger(s.Logger.With("component", "apiserver").Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 2000, // a fleet of simulated nodes watches over few connections
			MaxReadFrameSize:     1 << 20,
			WriteByteTimeout:     readPatience, // of the connection, where nothing can be written at all
		},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.store.Run(ctx) })
	group.Go(func() error { return s.expire(ctx) })
	group.Go(func() error { return s.cutOffUnread(ctx) })
	group.Go(func() error {
		err := server.ServeTLS(listener, "", "")
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serving the API on %s: %w", listener.Addr(), err)
	})
	group.Go(func() error {
		<-ctx.Done()
		close(s.stopping)
		s.drain(context.WithoutCancel(ctx))
		// What they answered goes out. Shutdown alone would wait a second for each HTTP/2 connection that idles.
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushPatience)
		defer cancel()
		if server.Shutdown(patience) != nil {
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}

// idlePatience is how long a connection is kept that nobody uses. client-go asks after 30 s whether its own are still there.
const idlePatience = 3 * time.Minute

// How long requests that run may take once the server stops, and how long their answers may take to leave.
const (
	drainPatience = time.Second
	flushPatience = 50 * time.Millisecond
)

// drain returns when no request runs any more; watches were told to end.
func (s *Server) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	for s.running.Load() > 0 {
		select {
		case <-s.requestEnded:
		case <-ctx.Done():
			return
		}
	}
}

// Ready is closed when the server can answer.
func (s *Server) Ready() <-chan struct{} { return s.store.Ready() }
