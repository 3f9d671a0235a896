package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"k8s.io/utils/clock"
)

// parts are what runs, in the order in which it was started. They are stopped in the opposite order, one after the other,
// so that each still finds what it needs: a kubelet the API server, the API server its etcd.
type parts struct {
	base   context.Context //nolint:containedctx // the parents of the parts' contexts; it has no end of its own
	logger *slog.Logger
	clock  clock.PassiveClock
	stops  []ending
	// failed receives the first failure of a part.
	failed chan error
}

// ending is how a part is stopped.
type ending struct {
	name string
	stop func() error
}

// init prepares for parts that are not ended by ctx, but by stop.
func (p *parts) init(ctx context.Context, logger *slog.Logger, clock clock.PassiveClock) {
	p.base = context.WithoutCancel(ctx)
	p.logger, p.clock = logger, clock
	p.failed = make(chan error, 1)
}

// run starts a part. A part that returns before it was told to has failed.
func (p *parts) run(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(p.base)
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
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
	p.onStop(name, func() error {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("ending %s: %w", name, err)
		}
		return nil
	})
}

// onStop is called when everything that was started later has ended.
func (p *parts) onStop(name string, stop func() error) { p.stops = append(p.stops, ending{name, stop}) }

// stop ends all parts.
func (p *parts) stop() error {
	var errs []error
	for i := len(p.stops) - 1; i >= 0; i-- {
		began := p.clock.Now()
		errs = append(errs, p.stops[i].stop())
		p.logger.Info("ended", "component", "cluster", "part", p.stops[i].name, "took", p.clock.Since(began))
	}
	p.stops = nil
	return errors.Join(errs...)
}
