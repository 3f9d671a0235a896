package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"minik.dev/apiserver/resources"
)

// replayed is how many revisions are replayed at a time: the journal is read backwards, so that what it names has to be
// remembered until its turn comes.
const replayed = 5000

// Replay calls each for the changes of the row's objects after one revision and up to another, in their order, until each
// returns false. What happened is read from the journal, and how an object was from etcd at that revision: an etcd watch
// that starts in the past would bring all changes of everything.
//
// Kinds that leave no journal entry are replayed in one step: what is different at the end, in the order of writing.
func (s *Store) Replay(ctx context.Context, row *resources.Resource, after, upTo int64, each func(*Event) bool) error {
	if row.Quiet {
		return s.replayQuiet(ctx, row, after, upTo, each)
	}
	recent := recently{}
	for after < upTo {
		end := min(after+replayed, upTo)
		if restore, _ := s.TakenBack(end); restore != 0 {
			end = restore // nothing happened in between
		}
		steps, err := s.steps(ctx, row, after, end)
		if err != nil {
			return err
		}
		// The journal ends where history does, without a word: what came after is complete only if its beginning is kept.
		kept, err := s.Kept(ctx, after)
		if err != nil {
			return err
		}
		if !kept {
			return fmt.Errorf("%w: revision %d has been compacted", ErrGone, after)
		}
		for _, step := range steps {
			event, err := s.event(ctx, row, step, recent)
			if err != nil {
				return err
			}
			if event != nil && !each(event) {
				return nil
			}
		}
		after = end
	}
	return nil
}

// steps are the journal's entries about the row after one revision and up to another, oldest first.
func (s *Store) steps(ctx context.Context, row *resources.Resource, after, upTo int64) ([]Recorded, error) {
	var steps []Recorded
	err := s.Journal(ctx, upTo, func(r Recorded) bool {
		if r.Revision <= after {
			return false
		}
		if row == s.JournalRow || r.Resource == row.Plural && r.Group == row.Kind.Group {
			steps = append(steps, r)
		}
		return true
	})
	slices.Reverse(steps)
	return steps, err
}

// event is what the journal's entry says of one object, with the object as it was before and after; nil where neither is
// there, as after the deletion of something that a transaction made and removed.
func (s *Store) event(ctx context.Context, row *resources.Resource, step Recorded, recent recently) (*Event, error) {
	event := &Event{Type: watch.Added, Revision: step.Revision, At: step.Time, c: s.cacheOf(row)}
	if row == s.JournalRow {
		event.Entry = Unwritten(row, s.JournalObject(step))
		event.Entry.Revision = step.Revision
		return event, nil
	}
	key := Key(row, step.Namespace, step.Name)
	var err error
	if event.Entry, err = s.keyAt(ctx, row, key, step.Revision); err != nil {
		return nil, err
	}
	var known bool
	if event.Previous, known = recent[key]; !known {
		if event.Previous, err = s.keyAt(ctx, row, key, step.Revision-1); err != nil {
			return nil, err
		}
	}
	recent.remember(key, event.Entry)
	switch {
	case event.Previous == nil && event.Entry == nil:
		return nil, nil
	case event.Entry == nil:
		event.Type, event.Entry = watch.Deleted, event.Previous.at(row, step.Revision)
	case event.Previous != nil:
		event.Type = watch.Modified
	}
	return event, nil
}

// recently is how the objects were that were replayed last, nil for one that was gone: so each state is read once.
type recently map[string]*Entry

// mostRecent bounds them.
const mostRecent = 10_000

func (r recently) remember(key string, e *Entry) {
	if len(r) >= mostRecent {
		clear(r)
	}
	r[key] = e
}

// replayQuiet replays what is different: each object that was written once, as it is at the end, and then what is gone.
func (s *Store) replayQuiet(ctx context.Context, row *resources.Resource, after, upTo int64, each func(*Event) bool) error {
	before := map[string]*Entry{}
	err := s.ListAt(ctx, row, "", after, "", func(e *Entry) bool {
		before[e.Key] = e
		return true
	})
	if err != nil {
		return err
	}
	var events []*Event
	add := func(kind watch.EventType, revision int64, previous, entry *Entry) {
		events = append(events, &Event{Type: kind, Revision: revision, Previous: previous, Entry: entry, At: time.Time{},
			c: s.cacheOf(row)})
	}
	err = s.ListAt(ctx, row, "", upTo, "", func(e *Entry) bool {
		previous := before[e.Key]
		delete(before, e.Key)
		switch {
		case e.Revision <= after:
		case previous == nil:
			add(watch.Added, e.Revision, nil, e)
		default:
			add(watch.Modified, e.Revision, previous, e)
		}
		return true
	})
	if err != nil {
		return err
	}
	slices.SortFunc(events, func(a, b *Event) int { return int(a.Revision - b.Revision) })
	for _, previous := range before {
		add(watch.Deleted, upTo, previous, previous.at(row, upTo))
	}
	for _, event := range events {
		if !each(event) {
			return nil
		}
	}
	return nil
}
