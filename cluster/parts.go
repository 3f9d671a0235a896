package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// parts are what runs, in the order in which it was started. They are stopped in the opposite order, one after the other,
// so that each still finds what it needs: a kubelet the API server, the API server its etcd.
type parts struct {
	base   context.Context //nolint:containedctx // the parents of the parts' contexts; it has no end of its own
	logger *slog.Logger
	stops  []func() error
	// failed receives the first failure of a part.
	failed chan error
}

// init prepares for parts that are not ended by ctx, but by stop.
func (p *parts) init(ctx context.Context, logger *slog.Logger) {
	p.base = context.WithoutCancel(ctx)
	p.logger = logger
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
	p.stops = append(p.stops, func() error {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("ending %s: %w", name, err)
		}
		return nil
	})
}

// onStop is called when everything that was started later has ended.
func (p *parts) onStop(stop func() error) { p.stops = append(p.stops, stop) }

// stop ends all parts.
func (p *parts) stop() error {
	var errs []error
	for i := len(p.stops) - 1; i >= 0; i-- {
		errs = append(errs, p.stops[i]())
	}
	p.stops = nil
	return errors.Join(errs...)
}
