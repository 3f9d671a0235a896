package control

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"minik.dev/api"
	"minik.dev/journal"
)

const (
	// lookEvery is how often a held gate asks what waits behind its line.
	lookEvery = 500 * time.Millisecond
	// restAfter is the pause after a report, so that a busy component does not fill the journal with how many wait.
	restAfter = 50 * time.Millisecond
	// retryAfter is the pause after a report that failed.
	retryAfter = time.Second
)

// Gate is what a component's loop passes before each decision. A nil Gate is always open.
type Gate struct {
	component string
	client    rest.Interface
	clock     clock.WithTicker
	logger    *slog.Logger
	// news holds one signal that there may be a move to make.
	news chan struct{}

	// mu guards what follows. It is never held during a request, nor while the component is asked for anything.
	mu      sync.Mutex
	known   bool         // the Control was seen, or it was seen that there is none
	fresh   bool         // no move was made yet
	control *api.Control // nil where there is none; never changed in place
	backlog func() int   // how many decisions wait behind the line; may be nil
	line    []*ticket    // who waits, the first first
	passing int
	// stepping says that one of those passing is a step; done is what came of the last one, until it is reported.
	stepping bool
	done     *string
}

// ticket is one decision that waits.
type ticket struct {
	what func() string
	pass *Pass         // set before let is closed
	let  chan struct{} // closed when it may pass
}

// Pass is one decision that may be made. A nil Pass is that of a nil Gate.
type Pass struct {
	gate   *Gate
	step   bool
	waited bool
}

// NewGate makes the gate of a component, named as api.ControlName takes it: "controller/deployment". The client is one of
// api.NewClient's.
func NewGate(client rest.Interface, component string, clock clock.WithTicker, logger *slog.Logger) *Gate {
	return &Gate{component: component, client: client, clock: clock, logger: logger, fresh: true,
		news: make(chan struct{}, 1)}
}

// Backlog tells the gate how to count what waits behind its line. It is called from a goroutine of the gate's.
func (g *Gate) Backlog(count func() int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.backlog = count
}

// Enter waits until the component may make its next decision. What says what it is about, and is asked as long as it
// waits. It is false when ctx is done first. Done must be called on every pass.
func (g *Gate) Enter(ctx context.Context, what func() string) (*Pass, bool) {
	if g == nil {
		return nil, true
	}
	g.mu.Lock()
	if g.known && open(g.control) {
		g.passing++
		g.mu.Unlock()
		return &Pass{gate: g}, true
	}
	t := &ticket{what: what, let: make(chan struct{})}
	g.line = append(g.line, t)
	g.mu.Unlock()
	g.signal()
	select {
	case <-t.let:
		return t.pass, true
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.pass != nil {
		return t.pass, true // it was let through at the same moment
	}
	g.line = slices.DeleteFunc(g.line, func(other *ticket) bool { return other == t })
	return nil, false
}

// Held says that the next decision would have to wait.
func (g *Gate) Held() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.known || !open(g.control)
}

// Waited says that the decision had to wait: what it is to be made on may have changed meanwhile.
func (p *Pass) Waited() bool { return p != nil && p.waited }

// Done says that the decision is carried out. Of a step, decision says what it was about and what came of it.
func (p *Pass) Done(decision func() string) {
	if p == nil {
		return
	}
	g := p.gate
	var done *string
	if p.step {
		text := cut(decision())
		done = &text
	}
	g.mu.Lock()
	g.passing--
	if p.step {
		g.stepping, g.done = false, done
	}
	held := !open(g.control)
	g.mu.Unlock()
	if held || p.step {
		g.signal()
	}
}

// cut bounds what is written into a status.
func cut(s string) string {
	if len(s) <= journal.MaxReason {
		return s
	}
	return strings.ToValidUTF8(s[:journal.MaxReason-len("…")], "") + "…"
}

// Set tells the gate its Control as it was seen; nil says that there is none. One that is older than what the gate has
// seen already is passed over.
func (g *Gate) Set(control *api.Control) {
	if g == nil {
		return
	}
	g.mu.Lock()
	if g.control == nil || control == nil || revision(control) >= revision(g.control) {
		g.known, g.control = true, control
	}
	if open(g.control) {
		for _, t := range g.line {
			g.let(t, false)
		}
		g.line = nil
	}
	g.mu.Unlock()
	g.signal()
}

// Synced says that the first list was seen: where no Control was in it there is none.
func (g *Gate) Synced() {
	if g == nil {
		return
	}
	g.mu.Lock()
	known := g.known
	g.mu.Unlock()
	if !known {
		g.Set(nil)
	}
}

// let lets one pass. The caller holds the lock and takes it out of the line.
func (g *Gate) let(t *ticket, step bool) {
	t.pass = &Pass{gate: g, step: step, waited: true}
	g.passing++
	close(t.let)
}

func revision(c *api.Control) uint64 {
	n, _ := strconv.ParseUint(c.ResourceVersion, 10, 64) // a test's own may have none
	return n
}

func (g *Gate) signal() {
	select {
	case g.news <- struct{}{}:
	default: // there is a signal already
	}
}

// Run lets steps through and reports what waits, until ctx ends.
func (g *Gate) Run(ctx context.Context) {
	if g == nil {
		return
	}
	for ctx.Err() == nil {
		if pause := g.settle(ctx); !g.rest(ctx, pause) {
			return
		}
		select {
		case <-ctx.Done():
		case <-g.news:
		case <-g.look():
		}
	}
}

// look fires when a held gate should count again what waits.
func (g *Gate) look() <-chan time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known || open(g.control) {
		return nil
	}
	return g.clock.After(lookEvery)
}

// rest waits; false when ctx has ended.
func (g *Gate) rest(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-g.clock.After(d):
		return true
	}
}

// settle makes the moves that there are, and says how long to rest then.
func (g *Gate) settle(ctx context.Context) time.Duration {
	control, l, known := g.observe()
	if !known {
		return 0
	}
	m := plan(control, l)
	if !m.Write {
		g.settled(l, nil, false)
		return 0
	}
	update := control.DeepCopy()
	update.Status = m.Status
	var written api.Control
	err := g.client.Put().Resource("controls").Name(control.Name).SubResource("status").Body(update).
		Do(journal.WithReason(ctx, m.Reason)).Into(&written)
	switch {
	case ctx.Err() != nil, apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return 0 // the watch brings what is new, and the next move with it
	case err != nil:
		g.logger.Warn("what waits was not reported, tried again", "control", g.component, "error", err)
		g.signal()
		return retryAfter
	}
	g.settled(l, &written, m.Let)
	if m.Let {
		return 0
	}
	return restAfter
}

// observe is the Control and the line as they are now.
func (g *Gate) observe() (*api.Control, line, bool) {
	g.mu.Lock()
	backlog := g.backlog
	waiting := slices.Clone(g.line)
	l := line{Passing: g.passing, Stepping: g.stepping, Done: g.done, Fresh: g.fresh}
	control, known := g.control, g.known
	g.mu.Unlock()
	if !known || open(control) {
		return control, l, known
	}
	l.Waiting, l.First = len(waiting), len(waiting) > 0
	if l.First {
		l.Next = waiting[0].what()
	}
	if len(waiting) > 1 {
		l.Second = waiting[1].what()
	}
	if backlog != nil {
		l.Waiting += backlog()
	}
	return control, l, true
}

// settled notes that the move was made: written is the Control after it, and where let is true the first in line goes.
func (g *Gate) settled(l line, written *api.Control, let bool) {
	g.mu.Lock()
	g.fresh = false
	if l.Done != nil && g.done == l.Done {
		g.done = nil
	}
	if let && len(g.line) > 0 {
		g.let(g.line[0], true)
		g.line, g.stepping = g.line[1:], true
	} else if let {
		nothing := "nothing was left to decide"
		g.done = &nothing
	}
	g.mu.Unlock()
	if written != nil {
		g.Set(written)
	}
}
