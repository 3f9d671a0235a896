package loop

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"minik.dev/control"
	"minik.dev/events"
	"minik.dev/journal"
)

// Manager is all controllers over one set of informers.
type Manager struct {
	informers informers.SharedInformerFactory
	gates     *control.Gates
	loops     []*loop
	events    []*events.Writer
}

// New makes the controllers of the rows, each with a client of its own, so that the journal tells them apart. It starts
// nothing.
func New(config *rest.Config, options Options, rows []Row) (*Manager, error) {
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
	return NewWith(config, client, gates, options, rows, func(config *rest.Config) (kubernetes.Interface, error) {
		return kubernetes.NewForConfig(config)
	})
}

// NewWith is New with the clients' origin left open, for tests and rehearsals. Without gates no controller is ever held.
func NewWith(config *rest.Config, watcher kubernetes.Interface, gates *control.Gates, options Options, rows []Row,
	newClient func(*rest.Config) (kubernetes.Interface, error)) (*Manager, error) {
	options = options.withDefaults()
	m := &Manager{
		gates:     gates,
		informers: informers.NewSharedInformerFactoryWithOptions(watcher, 0, informers.WithTransform(DropManagedFields)),
	}
	if err := addIndexes(m.informers); err != nil {
		return nil, err
	}
	for _, r := range rows {
		config := journal.Config(config, r.Name)
		client, err := newClient(config)
		if err != nil {
			return nil, fmt.Errorf("making the client of %s: %w", r.Name, err)
		}
		logger := options.Logger.With("component", r.Name)
		writer := events.New(client, corev1.EventSource{Component: r.Name}, options.Clock, logger)
		gate := gates.Of(r.Held())
		controller, err := r.New(Env{
			Config: config, Client: client, Informers: m.informers, Events: writer,
			Clock: options.Clock, Logger: logger, Options: options,
		})
		if err != nil {
			return nil, fmt.Errorf("making %s: %w", r.Name, err)
		}
		m.events = append(m.events, writer)
		m.loops = append(m.loops, &loop{
			name: r.Name, workers: r.Workers, Controller: controller, clock: options.Clock, logger: logger, gate: gate,
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
		group.Go(func() error { e.Run(ctx); return nil })
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

// DropManagedFields saves the memory of a field that no controller reads. A write without it leaves it as it is on the
// server.
func DropManagedFields(event any) (any, error) {
	if obj, ok := event.(metav1.Object); ok && obj.GetManagedFields() != nil {
		obj.SetManagedFields(nil)
	}
	return event, nil
}
