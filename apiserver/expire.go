package apiserver

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// eventTTL is how long an Event is kept after it was last written, as upstream's --event-ttl.
const eventTTL = time.Hour

// expireEvery is how often Events are looked through.
const expireEvery = time.Minute

// expired reports whether the Event was last seen longer than eventTTL ago.
func expired(e *corev1.Event, now time.Time) bool {
	last := e.CreationTimestamp.Time
	for _, t := range []time.Time{e.LastTimestamp.Time, e.EventTime.Time} {
		if t.After(last) {
			last = t
		}
	}
	if e.Series != nil && e.Series.LastObservedTime.After(last) {
		last = e.Series.LastObservedTime.Time
	}
	return now.Sub(last) > eventTTL
}

// expire deletes Events that have expired, until ctx ends. They go by ordinary deletes and not by leases of etcd, so that
// the store has one kind of write, and a watch sees them go.
func (s *Server) expire(ctx context.Context) error {
	row := reader{s}.row("", "events")
	ticker := s.Clock.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return nil
		}
		now := s.Clock.Now()
		for _, entry := range s.expiredEvents(row, now) {
			var conflict *store.ConflictError
			err := s.store.Delete(ctx, row, entry, nil)
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.As(err, &conflict) && ctx.Err() == nil {
				s.Logger.Error("an expired Event can't be deleted", "component", "apiserver", "key", entry.Key, "err", err)
			}
		}
	}
}

func (s *Server) expiredEvents(row *resources.Resource, now time.Time) []*store.Entry {
	var old []*store.Entry
	s.store.Snapshot(row).Ascend(store.Range(row, ""), "", func(e *store.Entry) bool {
		if expired(e.Object.(*corev1.Event), now) {
			old = append(old, e)
		}
		return true
	})
	return old
}
