package journal

import (
	"sort"
	"time"
)

// Group is one line of a tree that is to be read: a step, or many that are alike.
type Group struct {
	Steps   []*Step // oldest first
	Effects []*Group
}

// alike is what the steps of a group have in common.
type alike struct {
	actor, command, verb, group, resource, subresource string
	// turn tells a component's first write of an object from its second: all pods start, then all pods are ready.
	turn int
}

// Gather puts steps that are alike into one group where there are more of them than most: a Deployment of 3,000 pods is as
// easy to read as one of 3. Below a group stand the effects of all of its steps, gathered in the same way.
func Gather(steps []*Step, most int) []*Group {
	kinds := map[alike][]*Step{}
	kind := map[*Step]alike{}
	turns := map[alike]map[turnOf]int{}
	for _, s := range steps {
		k := alike{
			actor: s.Actor.Component, command: s.Actor.Command, verb: s.Verb, group: s.APIGroup, resource: s.Resource,
			subresource: s.Subresource,
		}
		if k.actor == "" { // every node's kubelet is a user of its own, and the same component
			k.actor = s.Actor.User
		}
		if turns[k] == nil {
			turns[k] = map[turnOf]int{}
		}
		of := turnOf{parent: s.parent, object: ObjectOf(s.Revision)}
		turns[k][of]++
		k.turn = turns[k][of]
		kind[s], kinds[k] = k, append(kinds[k], s)
	}
	var groups []*Group
	done := map[alike]bool{}
	for _, s := range steps {
		k := kind[s]
		switch {
		case len(kinds[k]) <= most:
			groups = append(groups, &Group{Steps: []*Step{s}, Effects: Gather(s.Effects, most)})
		case !done[k]:
			done[k] = true
			var effects []*Step
			for _, member := range kinds[k] {
				effects = append(effects, member.Effects...)
			}
			sort.Slice(effects, func(i, j int) bool { return effects[i].Number < effects[j].Number })
			groups = append(groups, &Group{Steps: kinds[k], Effects: Gather(effects, most)})
		}
	}
	return groups
}

type turnOf struct {
	parent *Step
	object Object
}

// Span is a range of durations.
type Span struct{ Least, Most time.Duration }

// Took is how long after their causes the group's steps came.
func (g *Group) Took() Span {
	return spanOf(g.Steps, func(s *Step) time.Duration { return s.Took })
}

// Since is how long after a moment they came.
func (g *Group) Since(start time.Time) Span {
	return spanOf(g.Steps, func(s *Step) time.Duration { return s.Time.Sub(start) })
}

func spanOf(steps []*Step, of func(*Step) time.Duration) Span {
	span := Span{Least: of(steps[0]), Most: of(steps[0])}
	for _, s := range steps[1:] {
		span.Least, span.Most = min(span.Least, of(s)), max(span.Most, of(s))
	}
	return span
}
