package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"sync"

	"k8s.io/utils/clock"
)

// parts are what runs, in the order in which it was started. They are stopped in the opposite order, stage by stage, so
// that each still finds what it needs: a kubelet the API server, the API server its etcd. The parts of one stage, such as
// all kubelets, are told to end together.
type parts struct {
	base   context.Context //nolint:containedctx // the parents of the parts' contexts; it has no end of its own
	logger *slog.Logger
	clock  clock.PassiveClock
	stages [][]part
	// failed receives the first failure of a part.
	failed chan error
	// running has the name of each part that was started and has not ended: asked from other goroutines.
	running sync.Map
}

// part is how a part is stopped.
type part struct {
	name string
	tell func()       // tells it to end
	wait func() error // returns when it has
}

// init prepares for parts that are not ended by ctx, but by stop.
func (p *parts) init(ctx context.Context, logger *slog.Logger, clock clock.PassiveClock) {
	p.base = context.WithoutCancel(ctx)
	p.logger, p.clock = logger, clock
	p.failed = make(chan error, 1)
}

// nextStage makes what is started from now on end before what was started until now.
func (p *parts) nextStage() { p.stages = append(p.stages, nil) }

func (p *parts) add(one part) {
	last := len(p.stages) - 1
	p.stages[last] = append(p.stages[last], one)
}

// run starts a part. A part that returns before it was told to has failed.
func (p *parts) run(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(p.base)
	done := make(chan error, 1)
	p.running.Store(name, true)
	go func() {
		var err error
		// A profile of the whole process tells its parts apart by this label, which the goroutines that they start inherit.
		pprof.Do(ctx, pprof.Labels("part", name), func(ctx context.Context) { err = run(ctx) })
		p.running.Delete(name)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("it ended by itself")
			}
			select {
			case p.failed <- fmt.Errorf("%s: %w", name, err):
			default: // an earlier failure is told already
			}
			err = nil
		}
		done <- err
	}()
	p.add(part{name: name, tell: cancel, wait: func() error {
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("ending %s: %w", name, err)
		}
		return nil
	}})
}

// runs says that a part runs, or why that is not so.
func (p *parts) runs(name string) error {
	if _, ok := p.running.Load(name); !ok {
		return errors.New("it has not started yet, or it has ended")
	}
	return nil
}

// onStop is called when everything that was started in later stages has ended.
func (p *parts) onStop(name string, stop func() error) {
	p.add(part{name: name, tell: func() {}, wait: stop})
}

// stop ends all parts.
func (p *parts) stop() error {
	var errs []error
	for i := len(p.stages) - 1; i >= 0; i-- {
		began := p.clock.Now()
		for _, part := range p.stages[i] {
			part.tell()
		}
		for _, part := range p.stages[i] {
			errs = append(errs, part.wait())
			p.logger.Info("ended", "component", "cluster", "part", part.name, "took", p.clock.Since(began))
		}
	}
	p.stages = nil
	return errors.Join(errs...)
}
