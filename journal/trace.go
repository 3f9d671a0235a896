package journal

import (
	"slices"
	"sort"
	"strconv"
	"time"

	"minik.dev/api"
)

// Object names what revisions are about. Group and resource are those of the stored object.
type Object struct{ Group, Resource, Namespace, Name string }

// ObjectOf is what the revision is about.
func ObjectOf(r *api.Revision) Object {
	return Object{Group: r.APIGroup, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}
}

// Step is one write in a tree of causes and effects.
type Step struct {
	*api.Revision
	// Number is the revision's number.
	Number int64
	// Took is the time from the write that caused this one; 0 where no cause is known.
	Took time.Duration
	// Clock says that no write caused this one but the time that had passed since its parent.
	Clock bool
	// Lost are the causes that the step has and the tree has not: no entry of them is kept.
	Lost []string
	// Effects are the steps that this one led to, oldest first.
	Effects []*Step

	parent *Step
}

// Trace is the tree of causes and effects around an object, oldest first: every write of the object; what led to it, back to
// the writes that have no cause; and everything that followed. The revisions may come in any order.
//
// A write may have several causes; it stands below the one that explains it best:
//   - not the same component's own earlier write of the same object, of whose event it hears as of any other;
//   - the newest that is about the same object: a binding follows from its pod, whatever woke the scheduler;
//   - else the newest.
//
// A component that goes on writing the same object for its own reasons makes no chain of it: its later writes stand beside
// the first. What the clock caused stands behind the object's write before it.
func Trace(revisions []api.Revision, target Object) []*Step {
	steps := link(revisions)
	var roots []*Step
	wanted := map[*Step]bool{}
	for _, s := range steps {
		if ObjectOf(s.Revision) == target {
			for up := s.parent; up != nil && !wanted[up]; up = up.parent {
				wanted[up] = true
			}
			wanted[s] = true
		}
	}
	below := map[*Step]bool{} // the target's own writes and all that followed
	for _, s := range steps { // a parent comes before its effects
		if ObjectOf(s.Revision) == target || s.parent != nil && below[s.parent] {
			below[s], wanted[s] = true, true
		}
		if !wanted[s] {
			continue
		}
		if s.parent == nil {
			roots = append(roots, s)
			continue
		}
		s.Took = s.Time.Sub(s.parent.Time.Time)
		s.parent.Effects = append(s.parent.Effects, s)
	}
	return roots
}

// Unknown are the causes that have to be found before the way back to the beginning is known.
func Unknown(revisions []api.Revision, target Object) []int64 {
	var out []int64
	for _, root := range Trace(revisions, target) {
		for _, cause := range root.Lost {
			if n, err := strconv.ParseInt(cause, 10, 64); err == nil && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// link finds the parent of each write. The steps are returned oldest first.
func link(revisions []api.Revision) []*Step {
	steps := make([]*Step, 0, len(revisions))
	for i := range revisions {
		if n, err := strconv.ParseInt(revisions[i].ObjectMeta.Name, 10, 64); err == nil {
			steps = append(steps, &Step{Revision: &revisions[i], Number: n})
		}
	}
	sort.Slice(steps, func(i, j int) bool { return steps[i].Number < steps[j].Number })
	known := make(map[string]*Step, len(steps))
	last := map[Object]*Step{} // the object's newest write so far
	for _, s := range steps {
		s.parent = s.choose(known)
		if s.parent == nil && slices.Equal(s.Causes, []string{Timer}) {
			if s.parent = last[ObjectOf(s.Revision)]; s.parent != nil {
				s.Clock = true
			}
		}
		if p := s.parent; p != nil && s.echoes(p) && p.parent != nil {
			s.parent = p.parent
		}
		if s.parent == nil {
			for _, cause := range s.Causes {
				if cause != Timer {
					s.Lost = append(s.Lost, cause)
				}
			}
		}
		known[s.ObjectMeta.Name], last[ObjectOf(s.Revision)] = s, s
	}
	return steps
}

// choose is the cause that explains the step best, among those that are known.
func (s *Step) choose(known map[string]*Step) *Step {
	var best *Step
	for _, cause := range s.Causes { // newest first
		c := known[cause]
		if c != nil && (best == nil || s.weight(c) > s.weight(best)) {
			best = c
		}
	}
	return best
}

func (s *Step) weight(cause *Step) int {
	switch {
	case s.echoes(cause):
		return 0
	case ObjectOf(cause.Revision) == ObjectOf(s.Revision):
		return 2
	}
	return 1
}

// echoes reports whether the cause is the same component's own write of the same part of the same object.
func (s *Step) echoes(cause *Step) bool {
	return ObjectOf(cause.Revision) == ObjectOf(s.Revision) && cause.Actor.Component == s.Actor.Component &&
		cause.Actor.User == s.Actor.User && cause.Subresource == s.Subresource && cause.Verb == s.Verb &&
		len(s.Causes) > 0
}
