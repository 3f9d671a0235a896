package loop

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// ParallelWrites bounds the requests that one reconcile has under way.
const ParallelWrites = 16

// Writes go out in batches of 1, 2, 4, … up to maxBatch at a time, of which atOnce are under way together. So when every
// write is refused, for a quota or a mistake in the template, the API server hears of it once and not a thousand times.
// Past a few dozen requests under way, more only wait inside the connection.
const (
	maxBatch = 256
	atOnce   = 64
)

// SlowStart calls write(0) to write(n-1). A batch in which one fails is the last; its first error is returned once all of
// the batch have returned.
func SlowStart(ctx context.Context, n int, write func(i int) error) error {
	for done, batch := 0, 1; done < n && ctx.Err() == nil; batch = min(2*batch, maxBatch) {
		var group errgroup.Group
		group.SetLimit(atOnce)
		end := min(done+batch, n)
		for i := done; i < end; i++ {
			group.Go(func() error { return write(i) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		done = end
	}
	return ctx.Err()
}
