package dns

import (
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

	"minik.dev/journal"
)

// Component is the server's name in User-Agent and logs.
const Component = "kube-dns"

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
}

// New makes a server that reads from the API server of config. It starts nothing.
func New(config *rest.Config, options Options) (*Server, error) {
	client, err := kubernetes.NewForConfig(journal.Config(config, Component))
	if err != nil {
		return nil, fmt.Errorf("%s: making its client: %w", Component, err)
	}
	return newServer(client, options), nil
}

func newServer(client kubernetes.Interface, options Options) *Server {
	if options.Domain == "" {
		options.Domain = "cluster.local"
	}
	if options.Address == nil {
		options.Address = func(ip string, port int32) string { return net.JoinHostPort(ip, strconv.Itoa(int(port))) }
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
		forwarder: newForwarder(options.Upstreams, ownAddresses(options)...)}
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
	renew := func() error {
		all, err := services.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		behind, err := slices.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		s.zone.Store(newZone(s.options.Domain, all, behind))
		return nil
	}
	if err := renew(); err != nil { // before the first question
		return fmt.Errorf("%s: reading its caches: %w", Component, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { s.serving(ctx); return nil })
	group.Go(func() error { return s.renewing(ctx, dirty, renew) })
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

// renewing makes a new zone when something has changed.
func (s *Server) renewing(ctx context.Context, dirty <-chan struct{}, renew func() error) error {
	for {
		select {
		case <-dirty:
		case <-ctx.Done():
			return nil
		}
		if err := renew(); err != nil {
			return fmt.Errorf("%s: reading its caches: %w", Component, err)
		}
		select {
		case <-s.options.Clock.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}
