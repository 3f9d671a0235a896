package kubelet

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/client-go/tools/cache"

	"minik.dev/api"
)

// power is the node's power switch as last seen. Until it was seen once the node has no power, so that a node that was
// stopped stays stopped when its kubelet starts again.
type power struct {
	mu      sync.Mutex
	known   bool
	stopped bool
	changed chan struct{} // closed and replaced at each change
}

func newPower(known bool) *power { return &power{known: known, changed: make(chan struct{})} }

func (p *power) set(stopped bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.stopped = true, stopped
	close(p.changed)
	p.changed = make(chan struct{})
}

// on says that the switch was seen and that the node has power.
func (p *power) on() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known && !p.stopped
}

// seen waits until the switch was seen for the first time; it is false when ctx is done first.
func (p *power) seen(ctx context.Context) bool {
	for {
		p.mu.Lock()
		known, changed := p.known, p.changed
		p.mu.Unlock()
		if known {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// wait returns true when the switch was seen and is as asked, and false when ctx is done or ended has something; what
// is taken from ended is put back.
func (p *power) wait(ctx context.Context, stopped bool, ended ...chan error) bool {
	var end chan error
	if len(ended) > 0 {
		end = ended[0]
	}
	for {
		p.mu.Lock()
		ok, changed := p.known && p.stopped == stopped, p.changed
		p.mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		if ok {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case err := <-end:
			end <- err
			return false
		case <-changed:
		}
	}
}

// watchPower keeps the switch as the node's Control has it. Without a Control the node has power, and so it has for good where the
// API server serves none.
func (k *Kubelet) watchPower(ctx context.Context, power *power) error {
	switch served, ok := k.gate.Served(ctx); {
	case !ok:
		return nil
	case !served:
		power.synced()
		k.gate.Synced()
		return nil
	}
	of := func(obj any) {
		if control, ok := obj.(*api.Control); ok {
			power.set(control.Spec.Stopped)
			k.gate.Set(control)
		}
	}
	informer := cache.NewSharedIndexInformer(k.controls, &api.Control{}, 0, cache.Indexers{})
	handled, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    of,
		UpdateFunc: func(_, obj any) { of(obj) },
		DeleteFunc: func(any) {
			power.set(false)
			k.gate.Set(nil)
		},
	})
	if err != nil {
		return fmt.Errorf("watching the power of node %s: %w", k.options.Node, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The handler must have had the Control: a stopped node has no power, not even for a moment.
		if cache.WaitFor(ctx, "", handled.HasSyncedChecker()) {
			power.synced()
			k.gate.Synced()
		}
	}()
	informer.RunWithContext(ctx)
	<-done
	return nil
}

// synced says that the first list was seen: a node without a Control has power.
func (p *power) synced() {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if !known {
		p.set(false)
	}
}
