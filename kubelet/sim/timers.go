package sim

import (
	"container/heap"
	"context"
	"time"

	"k8s.io/utils/clock"
)

// timers calls functions at given times, all from the one goroutine that runs it. Owned by Runtime.mu.
type timers struct {
	clock clock.WithTicker
	queue timerHeap
	order uint64
	// kick wakes the goroutine when an earlier time was added; it holds one token.
	kick chan struct{}
}

type timer struct {
	at    time.Time
	order uint64
	call  func()
}

// after has call called once d has passed; Runtime.mu is held, here and in call.
func (t *timers) after(d time.Duration, call func()) {
	t.order++
	at := t.clock.Now().Add(d)
	heap.Push(&t.queue, timer{at: at, order: t.order, call: call})
	if t.queue[0].order == t.order {
		select {
		case t.kick <- struct{}{}:
		default:
		}
	}
}

// due calls what is due and returns how long to wait for the next, or false where there is none.
func (t *timers) due() (time.Duration, bool) {
	for len(t.queue) > 0 {
		if wait := t.queue[0].at.Sub(t.clock.Now()); wait > 0 {
			return wait, true
		}
		heap.Pop(&t.queue).(timer).call()
	}
	return 0, false
}

// runTimers calls what is due until ctx is done.
func (r *Runtime) runTimers(ctx context.Context) {
	for {
		r.mu.Lock()
		wait, some := r.timers.due()
		r.mu.Unlock()
		r.flush()
		var fired <-chan time.Time
		stop := func() bool { return true }
		if some {
			t := r.options.Clock.NewTimer(wait)
			fired, stop = t.C(), t.Stop
		}
		select {
		case <-ctx.Done():
			stop()
			return
		case <-r.timers.kick:
			stop()
		case <-fired:
		}
	}
}

// timerHeap is ordered by time, then by the order of adding.
type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].order < h[j].order
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return last
}
