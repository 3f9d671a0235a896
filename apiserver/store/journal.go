package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/journal"
)

// bucketSize is how many entries are written to one key. An entry is one version of its key: on one constant key, reading
// an old version would walk all newer ones (200,000 writes took 56 s to replay), and with a key for each entry every
// entry would cost etcd's index a key for as long as history is kept.
const bucketSize = 1000

// journalWriter spreads this server's entries over buckets.
type journalWriter struct {
	server string
	next   atomic.Int64 // counts the entries; a bucket is next/bucketSize
}

// resume goes on behind the newest bucket that an earlier run of this server left.
func (w *journalWriter) resume(ctx context.Context, etcd kv) error {
	buckets, err := etcd.Get(ctx, journals+w.server+"/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return fmt.Errorf("looking for the journal's newest bucket: %w", err)
	}
	newest := int64(-1)
	for _, kv := range buckets.Kvs {
		_, n, ok := bucketOf(string(kv.Key))
		if ok && n > newest {
			newest = n
		}
	}
	w.next.Store((newest + 1) * bucketSize)
	return nil
}

// op writes the entry as part of a transaction.
func (w *journalWriter) op(entry *journal.Entry) (clientv3.Op, error) {
	value, err := json.Marshal(entry)
	if err != nil {
		return clientv3.Op{}, fmt.Errorf("encoding the journal entry: %w", err)
	}
	n := (w.next.Add(1) - 1) / bucketSize
	return clientv3.OpPut(bucketKey(w.server, n), string(value)), nil
}

// bucketKey is padded, so that `etcdctl get --prefix` lists buckets in order.
func bucketKey(server string, n int64) string { return fmt.Sprintf("%s%s/%08d", journals, server, n) }

func bucketOf(key string) (server string, n int64, ok bool) {
	rest, ok := strings.CutPrefix(key, journals)
	if !ok {
		return "", 0, false
	}
	server, number, ok := strings.Cut(rest, "/")
	if !ok {
		return "", 0, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return server, n, err == nil
}

// Recorded is a journal entry and the revision it was written at.
type Recorded struct {
	Revision int64
	journal.Entry
}

// Journal reads the entries backwards, newest first, from the revision `from` on (0 is the newest of all), until each
// returns false or what is kept of history ends. With several API servers their entries are merged by revision.
//
// Reading steps from one version of a bucket to the one before it: a Get at revision r-1, where r is the version at hand.
func (s *Store) Journal(ctx context.Context, from int64, each func(Recorded) bool) error {
	return s.walk(ctx, from, func(_ string, r Recorded) bool { return each(r) })
}

// walk is Journal, and names the bucket of each entry.
func (s *Store) walk(ctx context.Context, from int64, each func(bucket string, r Recorded) bool) error {
	options := []clientv3.OpOption{clientv3.WithPrefix()}
	if from > 0 {
		options = s.at(from, options...)
	}
	response, err := s.kv.Get(ctx, journals, options...)
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	heads := response.Kvs // the newest version of each bucket that is not used up
	for len(heads) > 0 {
		newest := 0
		for i := range heads {
			if heads[i].ModRevision > heads[newest].ModRevision {
				newest = i
			}
		}
		kv := heads[newest]
		var entry journal.Entry
		if err := json.Unmarshal(kv.Value, &entry); err != nil {
			return fmt.Errorf("decoding the journal entry of revision %d: %w", kv.ModRevision, err)
		}
		if !each(string(kv.Key), Recorded{Revision: kv.ModRevision, Entry: entry}) {
			return nil
		}
		if kv.Version > 1 {
			before, err := s.kv.Get(ctx, string(kv.Key), s.at(kv.ModRevision-1)...)
			if err != nil && !isCompacted(err) {
				return fmt.Errorf("reading the journal before revision %d: %w", kv.ModRevision, err)
			}
			if err == nil && len(before.Kvs) == 1 {
				heads[newest] = before.Kvs[0]
				continue
			}
		}
		heads = append(heads[:newest], heads[newest+1:]...)
	}
	return nil
}

// Entry is the journal entry of one revision; ErrNotFound where there is none that the caches have seen (see Fresh),
// ErrGone where history does not reach back so far.
func (s *Store) Entry(ctx context.Context, revision int64) (Recorded, error) {
	if revision > s.Revision() {
		return Recorded{}, ErrNotFound
	}
	var found *Recorded
	err := s.Journal(ctx, revision, func(r Recorded) bool {
		if r.Revision == revision {
			found = &r
		}
		return false
	})
	switch {
	case isCompacted(err):
		return Recorded{}, fmt.Errorf("%w: revision %d has been compacted", ErrGone, revision)
	case err != nil:
		return Recorded{}, err
	case found == nil:
		return Recorded{}, ErrNotFound
	}
	return *found, nil
}
