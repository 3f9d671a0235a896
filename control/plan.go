package control

import (
	"fmt"

	"minik.dev/api"
)

// line is what a gate sees of its own component.
type line struct {
	// Passing is how many decisions are under way, Stepping that one of them is a step.
	Passing  int
	Stepping bool
	// Waiting is how many decisions wait in line and behind it, First that there is one in line to be let through; Next
	// and Second say what the first two are about.
	Waiting      int
	First        bool
	Next, Second string
	// Done is what came of a step that is not reported yet; nil where there is none.
	Done *string
	// Fresh says that this process has not looked at the Control before.
	Fresh bool
}

// move is what a gate does next.
type move struct {
	// Write says that the Control's status is to become Status. Reason says what differs.
	Write  bool
	Status api.ControlStatus
	Reason string
	// Let says that, once that is written, the first in line is let through.
	Let bool
}

// open says that everybody may pass.
func open(c *api.Control) bool { return c == nil || !c.Spec.Held }

// interrupted is the decision of a step whose component was killed while it made it.
const interrupted = "the component ended before the decision was done"

// plan finds the next move from the Control and the line.
func plan(c *api.Control, l line) move {
	if c == nil {
		return move{}
	}
	m := move{Status: c.Status}
	s := &m.Status
	switch {
	case l.Done != nil:
		s.Decided, s.Decision = s.Steps, *l.Done
		m.Reason = fmt.Sprintf("step %d is done: %s", s.Steps, *l.Done)
	case l.Fresh && s.Decided < s.Steps:
		s.Decided, s.Decision = s.Steps, interrupted
		m.Reason = fmt.Sprintf("step %d: %s", s.Steps, interrupted)
	}
	if open(c) {
		// Steps that nobody took are void: the next hold begins without them.
		if s.Holding, s.Waiting, s.Next = false, 0, ""; !l.Stepping && s.Steps < c.Spec.Steps {
			s.Steps, s.Decided = c.Spec.Steps, c.Spec.Steps
		}
		return m.since(c, "the component goes on")
	}
	s.Holding, s.Waiting, s.Next = l.Passing == 0, int32(l.Waiting), l.Next
	if m.Let = l.First && l.Passing == 0 && m.Reason == "" && s.Steps < c.Spec.Steps; m.Let {
		s.Steps++
		s.Holding, s.Waiting, s.Next = false, s.Waiting-1, l.Second
		m.Reason = fmt.Sprintf("step %d of %d is taken: %s", s.Steps, c.Spec.Steps, l.Next)
	}
	return m.since(c, fmt.Sprintf("the component is held, %d decisions wait, %d are under way", l.Waiting, l.Passing))
}

// since completes the move: it writes where the status differs from the Control's.
func (m move) since(c *api.Control, otherwise string) move {
	m.Write = m.Status != c.Status
	if m.Reason == "" {
		m.Reason = otherwise
	}
	return m
}
