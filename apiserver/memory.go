package apiserver

import (
	"context"
	"sync"
)

// scarceLists is how many lists are answered at the same time where memory is short; the others wait.
const scarceLists = 2

// ShortOfMemory says whether the process has little memory left. Then the windows of the caches shrink, fewer bodies are taken
// at the same time, and lists wait for each other.
func (s *Server) ShortOfMemory(short bool) {
	s.store.ShortOfMemory(short)
	if short {
		s.bodies.bound(scarceBodiesBytes)
		s.lists.bound(scarceLists)
		return
	}
	s.bodies.bound(bodiesBytes)
	s.lists.bound(0)
}

// turns lets so many do something at the same time as its bound says, and the others wait; 0 is no bound.
type turns struct {
	mu      sync.Mutex
	most    int           // guarded by mu
	now     int           // guarded by mu
	changed chan struct{} // closed, and made anew, when somebody may go on; guarded by mu
}

func newTurns() *turns { return &turns{changed: make(chan struct{})} }

func (t *turns) bound(most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most = most
	t.wake()
}

// wake lets those who wait look again. The caller holds mu.
func (t *turns) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// take waits for a turn, as long as ctx does. What it returns ends the turn.
func (t *turns) take(ctx context.Context) (end func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.most > 0 && t.now >= t.most {
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		t.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	t.now++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.now--; t.most > 0 {
			t.wake()
		}
	}, nil
}
