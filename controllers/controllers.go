package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/control"
	"minik.dev/journal"
)

// rows are the controllers. To add one is to add a row here and a file beside this one. The name is the User-Agent, the
// source of its Events and the actor in the journal; the names are upstream's.
var rows = []row{
	{name: "deployment-controller", workers: 8, new: newDeploymentController},
	{name: "replicaset-controller", workers: 16, new: newReplicaSetController},
	{name: "replication-controller", workers: 4, new: newReplicationController},
	{name: "endpoint-controller", workers: 8, new: newEndpointsController},
	{name: "endpoint-slice-controller", workers: 8, new: newEndpointSlicesController},
	{name: "endpoint-slice-mirroring-controller", workers: 4, new: newEndpointsMirror},
	{name: "service-account-controller", workers: 2, new: newServiceAccountsController},
	{name: "root-ca-certificate-publisher-controller", workers: 2, new: newRootCAController},
	{name: "service-lb-controller", workers: 1, new: newLoadBalancerController},
	{name: "node-lifecycle-controller", workers: 8, new: newNodeLifecycleController},
	{name: "pod-garbage-collector-controller", workers: 1, new: newPodGarbageController},
	{name: "disruption-controller", workers: 4, new: newDisruptionController},
	{name: "namespace-controller", workers: 4, new: newNamespaceController},
	{name: "garbage-collector-controller", workers: 20, new: newGarbageCollector},
}

// row is one controller of the table.
type row struct {
	name string
	// workers is how many keys are worked on at the same time.
	workers int
	new     func(env) (controller, error)
}

// Names are the controllers as one holds them: "controller/" and upstream's name without its end.
func Names() []string {
	var names []string
	for _, r := range rows {
		names = append(names, r.held())
	}
	return names
}

// Actor is the name by which the journal knows the controller that is held by this one.
func Actor(held string) string {
	i := slices.IndexFunc(rows, func(r row) bool { return r.held() == held })
	if i < 0 {
		return held
	}
	return rows[i].name
}

// held is the controller as one holds it.
func (r row) held() string { return "controller/" + strings.TrimSuffix(r.name, "-controller") }

// env is what a controller is made from.
type env struct {
	// config speaks as this controller and carries causes and reasons; client is made from it.
	config *rest.Config
	client kubernetes.Interface
	// informers are shared by all controllers. An informer that is asked for while the controllers are made is started.
	informers informers.SharedInformerFactory
	events    *events
	clock     clock.WithTicker
	logger    *slog.Logger
	options   Options
}

// Options are what the surroundings give to the controllers.
type Options struct {
	// Logger gets the story of what the controllers do; nil is slog.Default().
	Logger *slog.Logger
	// Clock drives time-outs and back-off; nil is the real one.
	Clock clock.WithTicker
	// ClusterCA is the certificate of the cluster's authority, PEM. It is published to every namespace as the ConfigMap
	// kube-root-ca.crt.
	ClusterCA []byte
	// LoadBalancerPool is the block of which Services of type LoadBalancer get their address. The zero Prefix gives none
	// out.
	LoadBalancerPool netip.Prefix
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}

// Manager is all controllers over one set of informers.
type Manager struct {
	informers informers.SharedInformerFactory
	gates     *control.Gates
	loops     []*loop
	events    []*events
}

// New makes the controllers, each with a client of its own, so that the journal tells them apart. It starts nothing.
func New(config *rest.Config, options Options) (*Manager, error) {
	return newManagerOf(config, options, rows)
}

// newManagerOf makes the controllers of the rows.
func newManagerOf(config *rest.Config, options Options, rows []row) (*Manager, error) {
	client, err := kubernetes.NewForConfig(journal.Config(config, "kube-controller-manager"))
	if err != nil {
		return nil, fmt.Errorf("making the client that watches for all controllers: %w", err)
	}
	options = options.withDefaults()
	gates, err := control.NewGates(journal.Config(config, "kube-controller-manager"), options.Clock,
		options.Logger.With("component", "kube-controller-manager"))
	if err != nil {
		return nil, fmt.Errorf("making the controllers' gates: %w", err)
	}
	return newManager(config, client, gates, options, rows, func(config *rest.Config) (kubernetes.Interface, error) {
		return kubernetes.NewForConfig(config)
	})
}

// newManager is New with the clients' origin left open, for tests. Without gates no controller is ever held.
func newManager(config *rest.Config, watcher kubernetes.Interface, gates *control.Gates, options Options, rows []row,
	newClient func(*rest.Config) (kubernetes.Interface, error)) (*Manager, error) {
	options = options.withDefaults()
	m := &Manager{
		gates:     gates,
		informers: informers.NewSharedInformerFactoryWithOptions(watcher, 0, informers.WithTransform(dropManagedFields)),
	}
	if err := addIndexes(m.informers); err != nil {
		return nil, err
	}
	for _, r := range rows {
		config := journal.Config(config, r.name)
		client, err := newClient(config)
		if err != nil {
			return nil, fmt.Errorf("making the client of %s: %w", r.name, err)
		}
		logger := options.Logger.With("component", r.name)
		events := newEvents(r.name, client, options.Clock, logger)
		gate := gates.Of(r.held())
		controller, err := r.new(env{
			config: config, client: client, informers: m.informers, events: events,
			clock: options.Clock, logger: logger, options: options,
		})
		if err != nil {
			return nil, fmt.Errorf("making %s: %w", r.name, err)
		}
		m.events = append(m.events, events)
		m.loops = append(m.loops, &loop{
			name: r.name, workers: r.workers, controller: controller, clock: options.Clock, logger: logger, gate: gate,
		})
	}
	return m, nil
}

// Run runs all controllers until ctx ends, and returns when all their goroutines have. The order matters: the handlers are
// registered before the informers start.
func (m *Manager) Run(ctx context.Context) error {
	for i, l := range m.loops {
		if err := l.prepare(); err != nil {
			for _, prepared := range m.loops[:i] {
				prepared.queue.ShutDown()
			}
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	m.informers.StartWithContext(ctx)
	for _, e := range m.events {
		group.Go(func() error { e.run(ctx); return nil })
	}
	group.Go(func() error { return m.gates.Run(ctx) })
	// A controller reads caches that it does not watch, too: none works before all are filled.
	for _, l := range m.loops {
		group.Go(func() error {
			if m.informers.WaitForCacheSyncWithContext(ctx).Err != nil {
				l.queue.ShutDown()
				return nil
			}
			return l.run(ctx)
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		m.informers.Shutdown()
		return nil
	})
	return group.Wait()
}

// The indexes of the shared caches, so that no controller walks through all pods to find the few it needs.
const (
	// byController finds pods and ReplicaSets by the UID of their controlling owner; those without one under
	// orphansOf(namespace).
	byController = "controller"
	// byNode finds pods by spec.nodeName; pods without a node are under "".
	byNode = "node"
)

func addIndexes(factory informers.SharedInformerFactory) error {
	pods := factory.Core().V1().Pods().Informer()
	if err := pods.AddIndexers(cache.Indexers{byController: indexByController, byNode: indexByNode}); err != nil {
		return fmt.Errorf("indexing pods: %w", err)
	}
	replicaSets := factory.Apps().V1().ReplicaSets().Informer()
	if err := replicaSets.AddIndexers(cache.Indexers{byController: indexByController}); err != nil {
		return fmt.Errorf("indexing ReplicaSets: %w", err)
	}
	return nil
}

func indexByController(event any) ([]string, error) {
	obj, ok := event.(metav1.Object)
	if !ok {
		return nil, fmt.Errorf("indexing by controller: %T has no metadata", event)
	}
	if owner := metav1.GetControllerOfNoCopy(obj); owner != nil {
		return []string{string(owner.UID)}, nil
	}
	return []string{orphansOf(obj.GetNamespace())}, nil
}

// orphansOf is the value of byController for objects of the namespace that no controller owns. It cannot be a UID.
func orphansOf(namespace string) string { return "orphans/" + namespace }

func indexByNode(event any) ([]string, error) {
	pod, ok := event.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("indexing by node: %T is no pod", event)
	}
	return []string{pod.Spec.NodeName}, nil
}

// dropManagedFields saves the memory of a field that no controller reads. A write without it leaves it as it is on the
// server.
func dropManagedFields(event any) (any, error) {
	if obj, ok := event.(metav1.Object); ok && obj.GetManagedFields() != nil {
		obj.SetManagedFields(nil)
	}
	return event, nil
}

// ownedAndOrphans are the objects of T whose controller is uid, and those of the namespace that no controller owns.
func ownedAndOrphans[T metav1.Object](indexer cache.Indexer, namespace string, uid types.UID) ([]T, error) {
	var out []T
	for _, value := range []string{string(uid), orphansOf(namespace)} {
		found, err := indexer.ByIndex(byController, value)
		if err != nil {
			return nil, fmt.Errorf("finding the objects of controller %s: %w", value, err)
		}
		for _, obj := range found {
			out = append(out, obj.(T))
		}
	}
	return out, nil
}
