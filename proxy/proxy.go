package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/control"
	"minik.dev/events"
	"minik.dev/journal"
)

// Component is the proxy's name in User-Agent, Events and logs.
const Component = "kube-proxy"

// held is the name by which one holds the proxy.
const held = "proxy"

// After each round of work the loop rests restFactor times as long as the work took, at most maxRest. So the proxy takes
// at most a tenth of one core however fast endpoints change, and is at once when they seldom do.
const (
	restFactor = 9
	maxRest    = time.Second
)

// sweepEvery is how often silent UDP clients and forgotten affinities are looked for.
const sweepEvery = 10 * time.Second

// Options of a Proxy. The zero value listens on the cluster addresses that Services name, for all nodes.
type Options struct {
	Logger *slog.Logger
	Clock  clock.WithTicker

	// Address says where this machine has an address of the cluster that is listened on, as "ip:port"; default the same.
	Address func(ip string, port int32) string
	// Dial connects to an address of the cluster, and is required. Connections over TCP are *net.TCPConn.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// ListenTCP and ListenUDP open an address of this machine, and keep out who may not come in; default net.Listen and
	// net.ListenPacket. Connections are *net.TCPConn.
	ListenTCP func(address string) (net.Listener, error)
	ListenUDP func(address string) (PacketConn, error)
	// OwnsNode picks the nodes whose node ports this proxy opens. It is asked again whenever something changes, and of a
	// node it sees metadata, spec, addresses and whether it is Ready.
	OwnsNode func(node *corev1.Node) bool
	// Limits bound the addresses that objects may name.
	Limits Limits
}

// Proxy forwards the Services' addresses to their pods.
type Proxy struct {
	client   kubernetes.Interface
	logger   *slog.Logger
	clock    clock.WithTicker
	ownsNode func(node *corev1.Node) bool
	limits   Limits
	traffic  *traffic
	events   *events.Writer
	gates    *control.Gates
	gate     *control.Gate

	// The loop's own, touched by no other goroutine.
	open     map[Listen]*opened
	failed   map[Listen]failure
	refusals map[Refusal]bool // those that were said already
}

// opened is a listener and the rule that it follows.
type opened struct {
	rule     Rule
	listener listener
}

// listener takes connections or datagrams for one rule, and stays until it is closed.
type listener interface {
	update(rule Rule)    // follow another rule for the same address
	sweep(now time.Time) // forget silent clients
	close()              // take nothing new; what is established goes on, where the protocol knows such a thing
}

// New makes a proxy that reads from the API server of config. It starts nothing.
func New(config *rest.Config, options Options) (*Proxy, error) {
	config = journal.Config(config, Component)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%s: making its client: %w", Component, err)
	}
	p := newProxy(client, options)
	if p.gates, err = control.NewGates(config, p.clock, p.logger); err != nil {
		return nil, fmt.Errorf("%s: making its gate: %w", Component, err)
	}
	p.gate = p.gates.Of(held)
	return p, nil
}

func newProxy(client kubernetes.Interface, o Options) *Proxy {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Address == nil {
		o.Address = hostPort
	}
	if o.ListenTCP == nil {
		o.ListenTCP = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	if o.ListenUDP == nil {
		o.ListenUDP = listenUDP
	}
	if o.OwnsNode == nil {
		o.OwnsNode = func(*corev1.Node) bool { return true }
	}
	logger := o.Logger.With("component", Component)
	return &Proxy{
		events: events.New(client, corev1.EventSource{Component: Component}, o.Clock, logger),
		client: client, logger: logger, clock: o.Clock, ownsNode: o.OwnsNode, limits: o.Limits,
		traffic: &traffic{logger: logger, clock: o.Clock, address: o.Address, dial: o.Dial,
			openTCP: o.ListenTCP, openUDP: o.ListenUDP},
		open: map[Listen]*opened{}, failed: map[Listen]failure{}, refusals: map[Refusal]bool{},
	}
}

// Run opens and closes listeners until ctx ends; then it closes them and every connection, and returns when all of its
// goroutines have. It runs once in a Proxy's life.
func (p *Proxy) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(p.client, 0, informers.WithTransform(trim))
	services := factory.Core().V1().Services()
	endpointSlices := factory.Discovery().V1().EndpointSlices()
	nodes := factory.Core().V1().Nodes()

	dirty := make(chan struct{}, 1)
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), endpointSlices.Informer(), nodes.Informer()} {
		if _, err := informer.AddEventHandler(wake(dirty)); err != nil {
			return fmt.Errorf("%s: watching: %w", Component, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer p.traffic.stop()
	defer p.closeAll()
	defer factory.Shutdown()
	defer cancel()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			p.logger.Debug("Stopped before the cache was filled", "kind", kind.String())
			return nil
		}
	}

	gather := func() (Table, error) {
		s, err := services.Lister().List(labels.Everything())
		if err != nil {
			return Table{}, err
		}
		e, err := endpointSlices.Lister().List(labels.Everything())
		if err != nil {
			return Table{}, err
		}
		all, err := nodes.Lister().List(labels.Everything())
		if err != nil {
			return Table{}, err
		}
		owned := make([]*corev1.Node, 0, len(all))
		for _, node := range all {
			if p.ownsNode(node) {
				owned = append(owned, node)
			}
		}
		return rules(p.limits, s, e, owned), nil
	}
	p.traffic.group.Go(func() { p.events.Run(ctx) })
	gates := make(chan error, 1)
	go func() { gates <- p.gates.Run(ctx) }()
	err := p.loop(ctx, dirty, gather)
	cancel()
	return errors.Join(err, <-gates)
}

// loop applies the table whenever something changed or a failed listener is due.
func (p *Proxy) loop(ctx context.Context, dirty <-chan struct{}, gather func() (Table, error)) error {
	sweep := p.clock.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		start := p.clock.Now()
		table, err := gather()
		if err != nil {
			return fmt.Errorf("%s: reading its caches: %w", Component, err)
		}
		pass, ok := p.enter(ctx, table, start)
		if !ok {
			return nil
		}
		if pass.Waited() {
			start = p.clock.Now()
			if table, err = gather(); err != nil {
				return fmt.Errorf("%s: reading its caches: %w", Component, err)
			}
		}
		did := p.apply(ctx, table, start)
		pass.Done(did.String)
		if !p.rest(ctx, min(restFactor*p.clock.Since(start), maxRest)) || !p.idle(ctx, dirty, sweep.C()) {
			return nil
		}
	}
}

// enter waits while the proxy is held and has something to change; false when ctx has ended.
func (p *Proxy) enter(ctx context.Context, table Table, now time.Time) (*control.Pass, bool) {
	todo := p.plan(table, now)
	if todo.empty() {
		return nil, true
	}
	return p.gate.Enter(ctx, todo.String)
}

// rest waits for d; false when ctx has ended.
func (p *Proxy) rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := p.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}

// idle waits until there is work, sweeping meanwhile; false when ctx has ended.
func (p *Proxy) idle(ctx context.Context, dirty <-chan struct{}, sweep <-chan time.Time) bool {
	var due <-chan time.Time
	if first, ok := firstRetry(p.failed); ok {
		timer := p.clock.NewTimer(max(0, first.Sub(p.clock.Now())))
		defer timer.Stop()
		due = timer.C()
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-dirty:
			return true
		case <-due:
			return true
		case <-sweep:
			for _, o := range p.open {
				o.listener.sweep(p.clock.Now())
			}
		}
	}
}

// wake notes that something the table depends on has changed. Heartbeats change nodes all the time, and nothing here.
func wake(dirty chan<- struct{}) cache.ResourceEventHandler {
	mark := func() {
		select {
		case dirty <- struct{}{}:
		default: // the loop will look anyway
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { mark() },
		UpdateFunc: func(old, new any) {
			if a, ok := old.(*corev1.Node); ok {
				b := new.(*corev1.Node)
				if reflect.DeepEqual(a.Status, b.Status) && reflect.DeepEqual(a.Spec, b.Spec) &&
					reflect.DeepEqual(a.Labels, b.Labels) && reflect.DeepEqual(a.Annotations, b.Annotations) {
					return
				}
			}
			mark()
		},
		DeleteFunc: func(any) { mark() },
	}
}

// trim keeps of each object what the table is made from, so that thousands of nodes take little memory.
func trim(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Node:
		status := corev1.NodeStatus{Addresses: o.Status.Addresses}
		for _, c := range o.Status.Conditions {
			if c.Type == corev1.NodeReady {
				status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
			}
		}
		return &corev1.Node{TypeMeta: o.TypeMeta, ObjectMeta: meta(o.ObjectMeta), Spec: o.Spec, Status: status}, nil
	case *discoveryv1.EndpointSlice:
		o.ManagedFields, o.Annotations = nil, nil
	case *corev1.Service:
		o.ManagedFields, o.Annotations = nil, nil
	}
	return object, nil
}

func meta(m metav1.ObjectMeta) metav1.ObjectMeta {
	m.ManagedFields, m.OwnerReferences, m.Finalizers = nil, nil, nil
	return m
}
