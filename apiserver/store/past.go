package store

import (
	"context"
	"fmt"
	"sort"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/apiserver/resources"
)

// pageSize is how many objects of the past are fetched from etcd at a time.
const pageSize = 500

// at reads etcd as it was at the revision. An etcd whose sole writer this is has applied every revision that the caches have
// seen, so it need not agree with anybody first.
func (s *Store) at(revision int64, more ...clientv3.OpOption) []clientv3.OpOption {
	more = append(more, clientv3.WithRev(revision))
	if s.SoleWriter() {
		more = append(more, clientv3.WithSerializable())
	}
	return more
}

// Kept reports whether the revision can be read: it may have been compacted, or taken back. One that is still to come is an
// error.
func (s *Store) Kept(ctx context.Context, revision int64) (bool, error) {
	if restore, _ := s.TakenBack(revision); restore != 0 {
		return false, nil
	}
	return s.uncompacted(ctx, revision)
}

// uncompacted reports whether etcd still has the revision.
func (s *Store) uncompacted(ctx context.Context, revision int64) (bool, error) {
	_, err := s.kv.Get(ctx, claims, s.at(revision, clientv3.WithCountOnly())...)
	if isCompacted(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking etcd for revision %d: %w", revision, err)
	}
	return true, nil
}

// Oldest is the oldest revision that can be read. Etcd does not tell, so it is searched for: some twenty reads of nothing.
func (s *Store) Oldest(ctx context.Context) (int64, error) {
	var failed error
	newest := s.Revision()
	n := sort.Search(int(newest), func(i int) bool {
		if failed != nil {
			return true
		}
		kept, err := s.uncompacted(ctx, int64(i)+1)
		failed = err
		return kept
	})
	return min(int64(n)+1, newest), failed
}

// Usage is what the past takes and how far back it reaches.
type Usage struct {
	// Bytes is the size of etcd's database; InUse is what of it holds something.
	Bytes, InUse int64
	// Oldest and Newest are the revisions that can be read.
	Oldest, Newest int64
	// Since is when the oldest entry was written that is kept; zero where nothing was written.
	Since time.Time
}

// Usage asks etcd how much is kept.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	status, err := s.Client.Status(ctx, s.endpoint())
	if err != nil {
		return Usage{}, fmt.Errorf("asking etcd for its size: %w", err)
	}
	u := Usage{Bytes: status.DbSize, InUse: status.DbSizeInUse, Newest: s.Revision()}
	if u.Oldest, err = s.Oldest(ctx); err != nil {
		return Usage{}, err
	}
	// Before the first write of all there is no entry: one is looked for in ever larger steps.
	for at, step := u.Oldest, int64(1); ; at, step = min(at+step, u.Newest), 2*step {
		if u.Since, err = s.TimeAt(ctx, at); err != nil {
			return Usage{}, err
		}
		if !u.Since.IsZero() || at >= u.Newest {
			return u, nil
		}
	}
}

// TimeAt is when the newest journal entry at or before the revision was written; zero where none is kept.
func (s *Store) TimeAt(ctx context.Context, revision int64) (time.Time, error) {
	var at time.Time
	err := s.Journal(ctx, revision, func(r Recorded) bool {
		at = r.Time
		return false
	})
	return at, err
}

// GetAt is one object as it was at the revision; ErrNotFound where there was none.
func (s *Store) GetAt(ctx context.Context, row *resources.Resource, namespace, name string, revision int64) (*Entry, error) {
	defer s.observe("get", row.Plural)()
	entry, err := s.keyAt(ctx, row, Key(row, namespace, name), revision)
	if err == nil && entry == nil {
		err = ErrNotFound
	}
	return entry, err
}

// keyAt is what lay at the key, or nil.
func (s *Store) keyAt(ctx context.Context, row *resources.Resource, key string, revision int64) (*Entry, error) {
	found, err := s.kv.Get(ctx, key, s.at(revision)...)
	if err != nil {
		return nil, fmt.Errorf("reading %s at revision %d: %w", key, revision, err)
	}
	if len(found.Kvs) == 0 {
		return nil, nil
	}
	return decode(row, key, found.Kvs[0].Value, found.Kvs[0].ModRevision)
}

// CountAt is how many of the row's objects there were at the revision, from the key start on.
func (s *Store) CountAt(ctx context.Context, row *resources.Resource, namespace string, revision int64,
	start string) (int64, error) {
	defer s.observe("count", row.Plural)()
	end := clientv3.GetPrefixRangeEnd(Range(row, namespace))
	counted, err := s.kv.Get(ctx, start, s.at(revision, clientv3.WithRange(end), clientv3.WithCountOnly())...)
	if err != nil {
		return 0, fmt.Errorf("counting %s at revision %d: %w", row.Plural, revision, err)
	}
	return counted.Count, nil
}

// ListAt calls each for the row's objects as they were at the revision, in the order of their keys, from the key start on.
func (s *Store) ListAt(ctx context.Context, row *resources.Resource, namespace string, revision int64, start string,
	each func(*Entry) bool) error {
	defer s.observe("list", row.Plural)()
	all := Range(row, namespace)
	end := clientv3.GetPrefixRangeEnd(all)
	if start == "" {
		start = all
	}
	for {
		page, err := s.kv.Get(ctx, start, s.at(revision, clientv3.WithRange(end), clientv3.WithLimit(pageSize))...)
		if err != nil {
			return fmt.Errorf("listing %s at revision %d: %w", row.Plural, revision, err)
		}
		for _, kv := range page.Kvs {
			entry, err := decode(row, string(kv.Key), kv.Value, kv.ModRevision)
			if err != nil {
				return err
			}
			if !each(entry) {
				return nil
			}
		}
		if !page.More {
			return nil
		}
		start = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	}
}
