package dns

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/control"
	"minik.dev/journal"
)

// Component is the server's name in User-Agent and logs.
const Component = "kube-dns"

// held is the name by which one holds the server.
const held = "dns"

// port is DNS's.
const port = 53

// pause is what follows each new zone: changes that come meanwhile are taken together.
const pause = 50 * time.Millisecond

// repairEvery is how often the server looks whether it is still registered.
const repairEvery = 10 * time.Second

// Options are the settings of a Server.
type Options struct {
	// Listen is the address that the server has in the cluster, Service that of the Service that leads to it. Both are
	// required.
	Listen, Service netip.Addr
	// Domain is that of the cluster; default "cluster.local".
	Domain string
	// Address says where this machine has an address of the cluster, as "ip:port"; default the same.
	Address func(ip string, port int32) string
	// ListenTCP and ListenUDP open such an address, and keep out who may not come in: the server asks other name servers for
	// whoever reaches it. Default net.Listen and net.ListenPacket.
	ListenTCP func(address string) (net.Listener, error)
	ListenUDP func(address string) (net.PacketConn, error)
	// Dial connects to another name server, and is required. Connections over UDP are net.PacketConns.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Upstreams are the "ip:port" of the name servers for other names; default those of this machine.
	Upstreams func() []string

	Logger *slog.Logger
	Clock  clock.WithTicker
}

// Server answers the names of one cluster.
type Server struct {
	client    kubernetes.Interface
	options   Options
	logger    *slog.Logger
	forwarder *forwarder
	zone      atomic.Pointer[zone]
	gates     *control.Gates
	gate      *control.Gate
}

// New makes a server that reads from the API server of config. It starts nothing.
func New(config *rest.Config, options Options) (*Server, error) {
	config = journal.Config(config, Component)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%s: making its client: %w", Component, err)
	}
	s := newServer(client, options)
	if s.gates, err = control.NewGates(config, s.options.Clock, s.logger); err != nil {
		return nil, fmt.Errorf("%s: making its gate: %w", Component, err)
	}
	s.gate = s.gates.Of(held)
	return s, nil
}

func newServer(client kubernetes.Interface, options Options) *Server {
	if options.Domain == "" {
		options.Domain = "cluster.local"
	}
	if options.Address == nil {
		options.Address = func(ip string, port int32) string { return net.JoinHostPort(ip, strconv.Itoa(int(port))) }
	}
	if options.ListenTCP == nil {
		options.ListenTCP = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	if options.ListenUDP == nil {
		options.ListenUDP = func(address string) (net.PacketConn, error) { return net.ListenPacket("udp", address) }
	}
	if options.Upstreams == nil {
		options.Upstreams = systemServers
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{client: client, options: options, logger: options.Logger.With("component", Component),
		forwarder: newForwarder(options)}
	s.zone.Store(newZone(options.Domain, nil, nil))
	return s
}

// ownAddresses are where the server and its Service are found, in the cluster and on this machine.
func ownAddresses(o Options) []string {
	var out []string
	for _, ip := range []string{o.Listen.String(), o.Service.String()} {
		out = append(out, net.JoinHostPort(ip, strconv.Itoa(port)), o.Address(ip, port))
	}
	return out
}

// Run answers until ctx is done, and returns when all of its goroutines have.
func (s *Server) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(s.client, 0)
	services := factory.Core().V1().Services()
	slices := factory.Discovery().V1().EndpointSlices()
	dirty := make(chan struct{}, 1)
	wake := func() {
		select {
		case dirty <- struct{}{}:
		default: // it is awake already
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: func(any) { wake() }, UpdateFunc: func(_, _ any) { wake() },
		DeleteFunc: func(any) { wake() }}
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), slices.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("%s: watching: %w", Component, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer factory.Shutdown()
	defer cancel()
	factory.Start(ctx.Done())
	for _, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil
		}
	}
	gather := func() (*zone, error) {
		all, err := services.Lister().List(labels.Everything())
		if err != nil {
			return nil, fmt.Errorf("%s: reading its caches: %w", Component, err)
		}
		behind, err := slices.Lister().List(labels.Everything())
		if err != nil {
			return nil, fmt.Errorf("%s: reading its caches: %w", Component, err)
		}
		return newZone(s.options.Domain, all, behind), nil
	}
	filled := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.gates.Run(ctx) })
	group.Go(func() error { return s.renewing(ctx, dirty, gather, func() { close(filled) }) })
	group.Go(func() error {
		select {
		case <-filled: // before that, it would deny that there are names which it has not looked for
			s.serving(ctx)
		case <-ctx.Done():
		}
		return nil
	})
	group.Go(func() error { s.staying(ctx, services.Lister(), slices.Lister()); return nil })
	return group.Wait()
}

// serving answers until ctx is done. Where another server of this machine has taken the port for every address, it waits
// for its end: the cluster runs on without names.
func (s *Server) serving(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.serve(ctx, s.options.Address(s.options.Listen.String(), port))
		if ctx.Err() != nil {
			return
		}
		s.logger.Warn("cluster DNS does not answer, and is tried again", "error", err, "in", repairEvery)
		select {
		case <-s.options.Clock.After(repairEvery):
		case <-ctx.Done():
		}
	}
}

// renewing takes in a new zone at the start and when something has changed. It calls filled after the first.
func (s *Server) renewing(ctx context.Context, dirty <-chan struct{}, gather func() (*zone, error), filled func()) error {
	for {
		if ok, err := s.renew(ctx, gather); !ok {
			return err
		}
		if filled != nil {
			filled()
			filled = nil
		}
		select {
		case <-s.options.Clock.After(pause):
		case <-ctx.Done():
			return nil
		}
		select {
		case <-dirty:
		case <-ctx.Done():
			return nil
		}
	}
}

// renew takes in the zone that there should be, once the server may decide that; false when ctx has ended, or with an error.
// A zone that answers as the one before does is no decision.
func (s *Server) renew(ctx context.Context, gather func() (*zone, error)) (bool, error) {
	wanted, err := gather()
	if err != nil {
		return false, err
	}
	todo := between(s.zone.Load(), wanted)
	if len(todo) == 0 {
		return true, nil
	}
	pass, ok := s.gate.Enter(ctx, todo.String)
	if !ok {
		return false, nil
	}
	if pass.Waited() {
		if wanted, err = gather(); err != nil {
			pass.Done(err.Error)
			return false, err
		}
		todo = between(s.zone.Load(), wanted)
	}
	s.zone.Store(wanted)
	pass.Done(func() string { return cmp.Or(todo.String(), "no name changed any more") })
	return true, nil
}
