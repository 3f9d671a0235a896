package garbagecollector

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/controllers/deletable"
	"minik.dev/controllers/loop"
)

const (
	// rediscoverEvery is how often new kinds are looked for, as upstream.
	rediscoverEvery = 30 * time.Second
	// discoverRetry is how long to wait before the first discovery is tried again.
	discoverRetry = time.Second
)

// gcIgnored resources have no owners and are many.
var gcIgnored = map[schema.GroupResource]bool{
	{Group: "", Resource: "events"}:              true,
	{Group: "events.k8s.io", Resource: "events"}: true,
}

// gcShared resources are watched in full by other controllers anyway: their informers are used instead of another watch.
var gcShared = []schema.GroupVersionResource{
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "endpoints"},
	{Version: "v1", Resource: "nodes"},
	{Version: "v1", Resource: "namespaces"},
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "serviceaccounts"},
	{Version: "v1", Resource: "replicationcontrollers"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
}

// gcInformers watches every deletable resource and keeps the graph up to date with what it sees.
type gcInformers struct {
	discovery discovery.DiscoveryInterface
	metadata  metadata.Interface
	shared    map[schema.GroupVersionResource]informers.GenericInformer
	graph     *graph
	clock     clock.WithTicker
	logger    *slog.Logger
	// wakeKey is the loop's, from run on.
	wakeKey func(key, revision string)

	running sync.WaitGroup
	// stops ends the watch of one resource. Only the goroutine of run touches it.
	stops map[schema.GroupVersionResource]func()

	mu    sync.Mutex
	kinds deletable.Kinds
}

func newGCInformers(e loop.Env, meta metadata.Interface, g *graph) *gcInformers {
	in := &gcInformers{
		discovery: e.Client.Discovery(), metadata: meta, graph: g, clock: e.Clock, logger: e.Logger,
		shared: map[schema.GroupVersionResource]informers.GenericInformer{},
		stops:  map[schema.GroupVersionResource]func(){},
	}
	for _, resource := range gcShared {
		informer, err := e.Informers.ForResource(resource)
		if err != nil {
			continue // A kind that client-go does not know is watched by its metadata.
		}
		informer.Informer() // Asked for now, so that it is started with the others.
		in.shared[resource] = informer
	}
	return in
}

// kind finds a served kind by the name that an owner reference gives it.
func (in *gcInformers) kind(kind schema.GroupVersionKind) (deletable.Kind, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	found, ok := in.kinds.ByKind[kind]
	return found, ok
}

// run discovers and watches until ctx ends. The workers start when everything that exists at the start has been seen:
// before that, every owner might look absent.
func (in *gcInformers) run(ctx context.Context, wake func(key, revision string), start func()) error {
	defer in.running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in.wakeKey = wake
	var synced []cache.DoneChecker
	for {
		more, err := in.discover(ctx)
		synced = append(synced, more...)
		if err == nil || ctx.Err() != nil {
			break
		}
		in.logger.Warn("some kinds may be unknown to garbage collection", "reason", err)
		if len(in.stops) > 0 {
			break // An owner of a kind that is unknown keeps its dependents: nothing is lost by starting.
		}
		select {
		case <-ctx.Done():
			return nil
		case <-in.clock.After(discoverRetry):
		}
	}
	in.running.Go(func() {
		ticker := in.clock.NewTicker(rediscoverEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C():
				if _, err := in.discover(ctx); err != nil && ctx.Err() == nil {
					in.logger.Warn("some kinds may be unknown to garbage collection", "reason", err)
				}
			}
		}
	})
	if !cache.WaitFor(ctx, "", synced...) {
		return nil
	}
	start()
	<-ctx.Done()
	return nil
}

// discover starts watching kinds that are new, and stops watching those that are gone. While part of the server does not
// answer, nothing is stopped. It returns what tells when the first list of each new kind has been seen.
func (in *gcInformers) discover(ctx context.Context) ([]cache.DoneChecker, error) {
	kinds, failure := deletable.Discover(ctx, in.discovery)
	if failure != nil && len(kinds.Resources) == 0 {
		return nil, fmt.Errorf("discovering what can be deleted: %w", failure)
	}
	in.mu.Lock()
	in.kinds = kinds
	in.mu.Unlock()
	var synced []cache.DoneChecker
	served := map[schema.GroupVersionResource]bool{}
	for _, kind := range kinds.Resources {
		served[kind.Resource] = true
		if gcIgnored[kind.Resource.GroupResource()] || in.stops[kind.Resource] != nil || !kind.Can("watch") {
			continue
		}
		registration, err := in.watch(ctx, kind)
		if err != nil {
			return synced, err
		}
		synced = append(synced, registration.HasSyncedChecker())
	}
	if failure != nil {
		return synced, fmt.Errorf("discovering what can be deleted: %w", failure)
	}
	for resource, stop := range in.stops {
		if served[resource] {
			continue
		}
		stop()
		delete(in.stops, resource)
		for _, uid := range in.graph.ofResource(resource) {
			in.wake(nil, in.graph.remove(uid))
		}
	}
	return synced, nil
}

func (in *gcInformers) watch(ctx context.Context, kind deletable.Kind) (cache.ResourceEventHandlerRegistration, error) {
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { in.observe(kind, obj) },
		UpdateFunc: func(_, obj any) { in.observe(kind, obj) },
		DeleteFunc: in.remove,
	}
	if shared, ok := in.shared[kind.Resource]; ok {
		informer := shared.Informer()
		registration, err := informer.AddEventHandler(handler)
		if err != nil {
			return nil, fmt.Errorf("watching %s: %w", kind.Resource, err)
		}
		// An informer that has been stopped already has no handler to take away: that error means nothing.
		in.stops[kind.Resource] = func() { _ = informer.RemoveEventHandler(registration) }
		return registration, nil
	}
	informer := metadatainformer.NewFilteredMetadataInformer(
		in.metadata, kind.Resource, metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()
	if err := informer.SetTransform(loop.DropManagedFields); err != nil {
		return nil, fmt.Errorf("watching %s: %w", kind.Resource, err)
	}
	registration, err := informer.AddEventHandler(handler)
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", kind.Resource, err)
	}
	ctx, stop := context.WithCancel(ctx)
	in.stops[kind.Resource] = stop
	in.running.Go(func() { informer.RunWithContext(ctx) })
	return registration, nil
}

// observe takes an object's newest state in, and wakes what it may concern.
func (in *gcInformers) observe(kind deletable.Kind, event any) {
	if obj, ok := event.(metav1.Object); ok {
		in.wake(obj, in.graph.observe(newGCObject(kind, obj)))
	}
}

func (in *gcInformers) remove(event any) {
	if tombstone, ok := event.(cache.DeletedFinalStateUnknown); ok {
		event = tombstone.Obj
	}
	if obj, ok := event.(metav1.Object); ok {
		in.wake(obj, in.graph.remove(obj.GetUID()))
	}
}

// wake puts objects into the queue. The event's object is the cause; nil is none.
func (in *gcInformers) wake(cause metav1.Object, uids []types.UID) {
	revision := ""
	if cause != nil {
		revision = cause.GetResourceVersion()
	}
	for _, uid := range uids {
		in.wakeKey(string(uid), revision)
	}
}
