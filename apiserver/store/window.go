package store

import (
	"context"
	"time"
)

// A watch that starts from a revision of the recent past is served from memory: from the last events of its resource, its
// window. What is older is read from history (see Replay), so a window saves time and nothing depends on it. Its bounds:
const (
	// windowSize is how many events a window has at most, and quietWindow how many for Leases and Events, which are many and
	// which nobody resumes.
	windowSize  = 4096
	quietWindow = 512
	// windowBytes is what the events of one resource keep in memory at most, and windowsBytes those of all together.
	windowBytes  = 16 << 20
	windowsBytes = 48 << 20
	// windowAge is how long an event is kept: upstream's watch cache aims at the same (DefaultEventFreshDuration).
	windowAge = 75 * time.Second
	// takePatience is how long a watcher has at least to take an event that the window has dropped.
	takePatience = time.Second
)

// window is the last events of a resource, oldest first.
type window struct {
	events []*Event
	first  int // the events before it are dropped already; they are copied out of the way in halves, so that one costs O(1)
	bytes  int64
}

func (w *window) len() int { return len(w.events) - w.first }

// kept are the events, oldest first.
func (w *window) kept() []*Event { return w.events[w.first:] }

func (w *window) add(e *Event) {
	w.events = append(w.events, e)
	w.bytes += e.size
}

// drop drops the oldest event and returns its revision.
func (w *window) drop() int64 {
	e := w.events[w.first]
	w.events[w.first] = nil
	w.first++
	w.bytes -= e.size
	if w.first > len(w.events)/2 {
		w.events, w.first = append([]*Event(nil), w.kept()...), 0
	}
	return e.Revision
}

// over is the pure decision whether the oldest event has to go, at time now in nanoseconds: there are too many, they are too
// large, or it is too old.
func (w *window) over(count int, bytes, now int64) bool {
	switch n := w.len(); {
	case n == 0:
		return false
	case n > count, w.bytes > bytes:
		return true
	default:
		return w.kept()[0].came < now-int64(windowAge)
	}
}

// trim drops what is over the bounds. The caller holds mu.
func (c *cache) trim(bytes, now int64) {
	count := windowSize
	if c.row.Quiet {
		count = quietWindow
	}
	before := c.window.bytes
	for c.window.over(count, bytes, now) {
		c.oldest = c.window.drop()
	}
	c.store.windows.Add(c.window.bytes - before)
}

// relieveWindows is called by the watch loop: where the windows of all resources are too large together, the largest are cut
// down.
func (s *Store) relieveWindows() {
	bound := s.windowsBound()
	for bytes := int64(windowBytes / 2); s.windows.Load() > bound && bytes > 0; bytes /= 2 {
		s.trimWindows(bytes)
	}
}

// trimWindows drops what the windows have over the bound, and what is too old.
func (s *Store) trimWindows(bytes int64) {
	now := s.Clock.Now().UnixNano()
	for _, c := range *s.caches.Load() {
		c.mu.Lock()
		c.trim(bytes, now)
		c.cutOffBehind(now)
		c.mu.Unlock()
	}
}

// windowsBound is what the windows may keep in all: less where memory is short.
func (s *Store) windowsBound() int64 {
	if s.short.Load() {
		return windowsBytes / 16
	}
	return windowsBytes
}

// ShortOfMemory says whether the process has little memory left. The windows go first then: those who watch and are behind
// have to list again, or are served from history.
func (s *Store) ShortOfMemory(short bool) {
	if s.short.Swap(short) != short && short {
		s.relieveWindows()
	}
}

// cutOffBehind cuts off the watchers that have not taken what the window has dropped: what they have not taken would be kept
// in memory for them alone. The caller holds mu.
func (c *cache) cutOffBehind(now int64) {
	before := now - int64(takePatience)
	for w := range c.watchers {
		w.cutOffBefore(c.oldest, before)
	}
	for _, set := range c.indexed {
		for w := range set {
			w.cutOffBefore(c.oldest, before)
		}
	}
}

// ageWindows drops what has become too old, until ctx ends: an idle server keeps nothing.
func (s *Store) ageWindows(ctx context.Context) {
	ticker := s.Clock.NewTicker(windowAge / 5)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C():
			s.trimWindows(windowBytes)
		case <-ctx.Done():
			return
		}
	}
}
