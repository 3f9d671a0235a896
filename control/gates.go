package control

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/api"
)

// Gates are the gates of the components that run together, with one watch for all of them. Nil Gates are always open.
type Gates struct {
	client *rest.RESTClient
	clock  clock.WithTicker
	logger *slog.Logger
	gates  map[string]*Gate // by the Control's name
}

// NewGates makes gates that speak with config, which names the component in the journal. It starts nothing.
func NewGates(config *rest.Config, clock clock.WithTicker, logger *slog.Logger) (*Gates, error) {
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	return &Gates{client: client, clock: clock, logger: logger, gates: map[string]*Gate{}}, nil
}

// Of is the gate of a component; it is made before Run.
func (g *Gates) Of(component string) *Gate {
	if g == nil {
		return nil
	}
	name := api.ControlName(component)
	if g.gates[name] == nil {
		g.gates[name] = NewGate(g.client, component, g.clock, g.logger)
	}
	return g.gates[name]
}

// Run watches the Controls until ctx ends, and returns when every goroutine it started has. Where the API server serves none it opens
// the gates for good, and returns at once.
func (g *Gates) Run(ctx context.Context) error {
	if g == nil {
		return nil
	}
	served, ok := Served(ctx, g.client, g.clock, g.logger)
	if !ok {
		return nil
	}
	if !served {
		for _, gate := range g.gates {
			gate.Synced()
		}
		return nil
	}
	selector := fields.Everything()
	if len(g.gates) == 1 {
		for name := range g.gates {
			selector = fields.OneTermEqualSelector("metadata.name", name)
		}
	}
	informer := cache.NewSharedIndexInformer(cache.NewListWatchFromClient(g.client, "controls", "", selector),
		&api.Control{}, 0, cache.Indexers{})
	handled, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { g.seen(obj, false) },
		UpdateFunc: func(_, obj any) { g.seen(obj, false) },
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			g.seen(obj, true)
		},
	})
	if err != nil {
		return fmt.Errorf("watching who is held: %w", err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		if cache.WaitFor(ctx, "", handled.HasSyncedChecker()) {
			for _, gate := range g.gates {
				gate.Synced()
			}
		}
	})
	for _, gate := range g.gates {
		work.Go(func() { gate.Run(ctx) })
	}
	informer.RunWithContext(ctx)
	work.Wait()
	return nil
}

// seen tells a Control to the gate that it is for.
func (g *Gates) seen(obj any, gone bool) {
	control, ok := obj.(*api.Control)
	if !ok {
		return
	}
	gate, ok := g.gates[control.Name]
	switch {
	case !ok: // another process has that component
	case gone:
		gate.Set(nil)
	default:
		gate.Set(control)
	}
}
