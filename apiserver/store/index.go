package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/journal"
)

// Subject names what journal entries are about.
type Subject struct{ Group, Resource, Namespace, Name string }

func subjectOf(e *journal.Entry) Subject { return Subject{e.Group, e.Resource, e.Namespace, e.Name} }

// index knows where in the journal each object's entries are: otherwise the few of one object would be looked for among all.
// It is made when it is first asked for, by one walk over the journal, so that the start does not wait for it; from then on
// the store's one watch keeps it up to date. Its memory is a place for each revision that is kept.
type index struct {
	mu sync.Mutex // guards what follows
	// places are where each object's entries are, oldest first; nil until somebody asks.
	places map[Subject][]place
	// complete says that the walk is over.
	complete bool
	buckets  map[string]string // one copy of each bucket's key

	building sync.Mutex // held by who makes the index; the others wait
}

// place is where an entry is: a version of a bucket.
type place struct {
	revision int64
	bucket   string
}

// note adds an entry that has just been written, if there is an index. It is called by the store's one watch loop only.
func (x *index) note(bucket string, r Recorded) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.places != nil {
		x.add(bucket, r)
	}
}

// add puts the entry in its place. The caller holds mu.
func (x *index) add(bucket string, r Recorded) {
	if known, ok := x.buckets[bucket]; ok {
		bucket = known
	} else {
		x.buckets[bucket] = bucket
	}
	subject := subjectOf(&r.Entry)
	places := x.places[subject]
	at := sort.Search(len(places), func(i int) bool { return places[i].revision >= r.Revision })
	if at < len(places) && places[at].revision == r.Revision {
		return
	}
	x.places[subject] = slices.Insert(places, at, place{r.Revision, bucket})
}

// begin makes an empty index that takes in what is written from now on; reset forgets it, after the watch missed something.
func (x *index) begin() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.places, x.buckets, x.complete = map[Subject][]place{}, map[string]string{}, false
}

func (x *index) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.places, x.buckets, x.complete = nil, nil, false
}

// forget drops what was compacted up to the revision, which itself can still be read.
func (x *index) forget(revision int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for subject, places := range x.places {
		at := sort.Search(len(places), func(i int) bool { return places[i].revision >= revision })
		if at == len(places) {
			delete(x.places, subject)
		} else if at > 0 {
			x.places[subject] = slices.Clone(places[at:])
		}
	}
}

// of is where the object's entries are, oldest first, up to the revision; ok is false where the index is not complete.
func (x *index) of(subject Subject, upTo int64) (places []place, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.places[subject]
	at := sort.Search(len(all), func(i int) bool { return all[i].revision > upTo })
	return slices.Clone(all[:at]), x.complete
}

// JournalOf is Journal for the entries about one object: from a revision on, newest first.
func (s *Store) JournalOf(ctx context.Context, subject Subject, from int64, each func(Recorded) bool) error {
	places, ok := s.index.of(subject, from)
	if !ok {
		if err := s.makeIndex(ctx); err != nil {
			return err
		}
		places, _ = s.index.of(subject, from)
	}
	for _, p := range slices.Backward(places) {
		found, err := s.kv.Get(ctx, p.bucket, s.at(p.revision)...)
		if isCompacted(err) {
			return nil // here the journal that is kept ends
		}
		if err != nil {
			return fmt.Errorf("reading the journal at revision %d: %w", p.revision, err)
		}
		if len(found.Kvs) == 0 || found.Kvs[0].ModRevision != p.revision {
			return nil // as above
		}
		recorded := Recorded{Revision: p.revision}
		if err := json.Unmarshal(found.Kvs[0].Value, &recorded.Entry); err != nil {
			return fmt.Errorf("decoding the journal entry of revision %d: %w", p.revision, err)
		}
		if !each(recorded) {
			return nil
		}
	}
	return nil
}

// makeIndex walks the journal once.
func (s *Store) makeIndex(ctx context.Context) error {
	s.index.building.Lock()
	defer s.index.building.Unlock()
	if _, ok := s.index.of(Subject{}, 0); ok {
		return nil // somebody else made it meanwhile
	}
	s.index.begin()
	// Etcd is asked for its revision after the watch has begun to add what it brings: what is older is walked over.
	now, err := s.kv.Get(ctx, claims, clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("asking etcd for its revision: %w", err)
	}
	err = s.walk(ctx, now.Header.Revision, func(bucket string, r Recorded) bool {
		s.index.mu.Lock()
		defer s.index.mu.Unlock()
		if s.index.places == nil {
			return false // the watch began anew
		}
		s.index.add(bucket, r)
		return true
	})
	if err != nil {
		return err
	}
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	s.index.complete = s.index.places != nil
	return nil
}
