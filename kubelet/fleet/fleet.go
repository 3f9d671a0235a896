package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"minik.dev/api"
	"minik.dev/events"
	"minik.dev/journal"
	"minik.dev/kubelet/ipam"
)

// component is how the fleet names itself: User-Agent, source of Events, actor in the journal.
const component = "fleet"

const (
	// writers is how many requests of a kind are under way at a time.
	writers = 32
	// writeTimeout bounds one request.
	writeTimeout = 10 * time.Second
)

// Options are the settings of a fleet.
type Options struct {
	// Nodes is how many nodes the fleet makes: sim-1, sim-2, ….
	Nodes int
	// Range is the own address and the range of pod addresses of the i-th of them; required with Nodes.
	Range func(i int) (netip.Addr, netip.Prefix)
	// Capacity replaces the defaults of a kubelet for the resources it names.
	Capacity corev1.ResourceList
	// Images are patterns of images that exist although they would be refused.
	Images []string
	// Version is the nodes' kubeletVersion.
	Version string
	// NewBootID makes the ID of one boot of a node; default a random UUID.
	NewBootID func() string
	// Jitter is a random duration from zero up to its argument; default evenly spread.
	Jitter func(most time.Duration) time.Duration
	Logger *slog.Logger
	Clock  clock.WithTicker
}

// Fleet is the agent of all simulated nodes.
type Fleet struct {
	options  Options
	client   kubernetes.Interface
	controls *rest.RESTClient
	log      *slog.Logger
	clock    clock.WithTicker
	events   *events.Writer
	podQueue workqueue.TypedDelayingInterface[types.UID]
	nodes    workqueue.TypedDelayingInterface[string]
	causes   journal.Causes[types.UID]
	because  journal.Causes[string]
	// some is closed when the fleet has its first node: until then pods are not watched.
	some     chan struct{}
	haveSome func()

	mu      sync.Mutex
	members map[string]*member
	stopped map[string]bool // nodes whose power is cut, members or not
	pods    map[types.UID]*entry
	// podsOn are the pods by node, spare the addresses of pods on nodes without a podCIDR.
	podsOn map[string]map[types.UID]*entry
	spare  *ipam.Pool
}

// New makes a fleet that speaks to the API server with config. It starts nothing.
func New(config *rest.Config, options Options) (*Fleet, error) {
	config = journal.Config(config, component)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the fleet's client: %w", err)
	}
	controls, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	if options.Nodes > 0 && options.Range == nil {
		return nil, errors.New("fleet: Options.Range is nil")
	}
	if options.NewBootID == nil {
		options.NewBootID = uuid.NewString
	}
	if options.Jitter == nil {
		options.Jitter = func(most time.Duration) time.Duration { return rand.N(most + 1) }
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	f := &Fleet{
		options: options, client: client, clock: options.Clock, log: options.Logger.With("component", component),
		controls: controls, some: make(chan struct{}),
		members: map[string]*member{}, stopped: map[string]bool{}, pods: map[types.UID]*entry{},
		podsOn: map[string]map[types.UID]*entry{}, spare: ipam.New(benchmark),
	}
	f.events = events.New(client, corev1.EventSource{Component: component}, f.clock, f.log)
	f.haveSome = sync.OnceFunc(func() { close(f.some) })
	return f, nil
}

// Run serves the fleet's nodes until ctx is done, and returns when all its goroutines have.
func (f *Fleet) Run(ctx context.Context) error {
	f.podQueue = workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[types.UID]{Clock: f.clock})
	f.nodes = workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{Clock: f.clock})
	defer f.podQueue.ShutDown()
	defer f.nodes.ShutDown()
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		f.podQueue.ShutDown()
		f.nodes.ShutDown()
	})
	defer stop()

	// 1. Which nodes have no power, and which there are: a stopped node must not be served, not even for a moment.
	if err := f.watchControls(ctx, group); err != nil {
		return errors.Join(err, group.Wait())
	}
	if err := f.watchNodes(ctx, group); err != nil {
		return errors.Join(err, group.Wait())
	}
	// 2. Keep the nodes.
	group.Go(func() error { f.events.Run(ctx); return nil })
	for range writers {
		group.Go(func() error { f.workOnNodes(ctx); return nil })
	}
	group.Go(func() error { return f.makeNodes(ctx) })
	group.Go(func() error { f.keepLeases(ctx); return nil })
	// 3. Keep their pods, once there is a node.
	group.Go(func() error {
		select {
		case <-f.some:
		case <-ctx.Done():
			return nil
		}
		if err := f.watchPods(ctx, group); err != nil {
			return err
		}
		for range writers {
			group.Go(func() error { f.workOnPods(ctx); return nil })
		}
		return nil
	})
	return group.Wait()
}
