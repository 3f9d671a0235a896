package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/watch"
)

// Event is one change of one object, shared by all watchers of its resource.
type Event struct {
	// Type is Added, Modified or Deleted, as someone sees it who watches everything.
	Type watch.EventType
	// Revision is the change's revision.
	Revision int64
	// Entry is the object after the change; for a deletion it is the last state, at the deletion's revision.
	Entry *Entry
	// Previous is the object before the change; nil for one that was added.
	Previous *Entry
	// At is when it happened, for an event that is replayed; zero where that is not known, and for one that happens now.
	At time.Time

	once sync.Once
	gone *Entry // guarded by once
	c    *cache
	came int64 // when it came into the window, in nanoseconds
	size int64 // what it keeps in memory, in bytes, about
}

// weigh is about how many bytes the event alone keeps in memory: the state before it, which is no longer the present, and the
// object itself where it is not kept as the present.
func (e *Event) weigh() int64 {
	const overhead = 256
	switch {
	case e.Type == watch.Deleted:
		return overhead + e.Previous.size() + e.Entry.size()
	case e.Previous != nil:
		return overhead + e.Previous.size()
	case e.Entry.text.Load() == nil:
		return overhead + e.Entry.size()
	}
	return overhead
}

// Gone is the state before the change at the change's revision: what a watcher is told whose selector the object no
// longer matches.
func (e *Event) Gone() *Entry {
	if e.Type == watch.Deleted {
		return e.Entry
	}
	e.once.Do(func() { e.gone = e.Previous.at(e.c.row, e.Revision) })
	return e.gone
}

// ErrGone says that a watch can't go on or can't start from where it was asked to: events that it needs are not in the
// window any more. The client has to list again.
var ErrGone = errors.New("too old resource version")

// ErrRemoved says that the kind that is watched or written is not kept any more: it was taken away while the server runs.
var ErrRemoved = errors.New("the kind is not served any more")

// queueBound is how many events a watcher may be behind before it is cut off, and queueBytes how much they may keep in memory.
const (
	queueBound = 8192
	queueBytes = 2 * windowBytes
)

// Watcher receives the events of one resource after the revision it started from, in order, each once.
type Watcher struct {
	cache *cache
	value string        // the indexed field's value that is watched; "" watches everything
	wake  chan struct{} // holds one token while there is something to fetch

	mu      sync.Mutex
	queue   []*Event // guarded by mu; at most queueBound
	bytes   int64    // of the queue; guarded by mu
	ended   error    // guarded by mu: why nothing more comes, ErrGone or ErrRemoved
	reached int64    // guarded by mu: the revision that Take has told, or the one it started from
}

// push is called by the store's one watch loop, in commit order. It never blocks.
func (w *Watcher) push(e *Event) {
	w.mu.Lock()
	if len(w.queue) >= queueBound || len(w.queue) > 0 && w.bytes+e.size > queueBytes {
		w.ended, w.queue = ErrGone, nil
	} else if w.ended == nil {
		w.queue = append(w.queue, e)
		w.bytes += e.size
	}
	w.mu.Unlock()
	w.signal()
}

// end says that nothing more comes, and why.
func (w *Watcher) end(why error) {
	w.mu.Lock()
	w.ended, w.queue = why, nil
	w.mu.Unlock()
	w.signal()
}

// cutOffBefore cuts the watcher off if it has had time to take an event up to the revision, and has not: one that came before
// the time, in nanoseconds.
func (w *Watcher) cutOffBefore(revision, time int64) {
	w.mu.Lock()
	behind := len(w.queue) > 0 && w.queue[0].Revision <= revision && w.queue[0].came < time
	if behind {
		w.ended, w.queue = ErrGone, nil
	}
	w.mu.Unlock()
	if behind {
		w.signal()
	}
}

func (w *Watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Ready receives when Take has something to say.
func (w *Watcher) Ready() <-chan struct{} { return w.wake }

// Take returns the events since the last call, and the revision up to which the watcher has now seen everything, which never
// goes back. After it was cut off it returns ErrGone, and after its row was removed ErrRemoved.
func (w *Watcher) Take() (events []*Event, revision int64, err error) {
	// The revision is read first: events up to it are in the queue already, so whoever takes the queue afterwards has them.
	revision = w.cache.store.Revision()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return nil, 0, w.ended
	}
	events, w.queue, w.bytes = w.queue, nil, 0
	if n := len(events); n > 0 {
		revision = max(revision, events[n-1].Revision)
	}
	// An event comes shortly before its revision is complete; whoever has it has reached that revision all the same.
	w.reached = max(w.reached, revision)
	return events, w.reached, nil
}

// Next waits for events.
func (w *Watcher) Next(ctx context.Context) ([]*Event, error) {
	for {
		events, _, err := w.Take()
		if err != nil || len(events) > 0 {
			return events, err
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Stop ends the watch.
func (w *Watcher) Stop() { w.cache.forget(w) }
