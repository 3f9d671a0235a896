package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// History bounds what is kept of the past. Whichever bound is reached first compacts.
type History struct {
	// Age is how far back history reaches; 0 keeps every revision until Bytes are used.
	Age time.Duration
	// Bytes is how large etcd's data may grow, history included; 0 is no bound but etcd's own quota.
	Bytes int64
}

// mark is a revision, and when it was the newest.
type mark struct {
	revision int64
	at       time.Time
}

// interval is how often history is looked at.
const interval = time.Minute

// KeepAtLeast is how much history a compaction by size leaves: whoever reads a list page by page does not lose its place.
const KeepAtLeast = 5 * time.Minute

// horizon is the pure decision: up to which revision history is forgotten, and why; 0 keeps everything. The marks are
// oldest first.
func horizon(marks []mark, used int64, h History, now time.Time) (revision int64, reason string) {
	keep := h.Age
	if h.Bytes > 0 && used > h.Bytes && (keep == 0 || keep > KeepAtLeast) {
		keep = KeepAtLeast
		reason = fmt.Sprintf("etcd uses %d bytes, more than %d", used, h.Bytes)
	} else {
		reason = fmt.Sprintf("history is kept for %s", h.Age)
	}
	if keep == 0 {
		return 0, ""
	}
	for _, m := range marks {
		if now.Sub(m.at) < keep {
			break
		}
		revision = m.revision
	}
	return revision, reason
}

// compactor looks once a minute whether history is over its bounds.
func (s *Store) compactor(ctx context.Context) {
	ticker := s.Clock.NewTicker(interval)
	defer ticker.Stop()
	marks := s.earlierMark(ctx)
	var compacted int64
	var relieved time.Time
	for {
		select {
		case <-ticker.C():
		case <-s.full:
			if now := s.Clock.Now(); now.Sub(relieved) >= reliefPause {
				relieved = now
				if err := s.relieve(ctx); err != nil {
					s.Logger.Error("etcd is full, and room can't be made", "component", "apiserver", "err", err)
				}
			}
			continue
		case <-ctx.Done():
			return
		}
		now := s.Clock.Now()
		marks = append(marks, mark{revision: s.Revision(), at: now})
		revision, reason := horizon(marks, s.used(ctx), s.History, now)
		if revision <= compacted {
			continue
		}
		if err := s.compact(ctx, revision); err != nil {
			s.Logger.Error("history can't be compacted", "component", "apiserver", "revision", revision, "err", err)
			continue
		}
		s.Logger.Info("history compacted", "component", "apiserver", "revision", revision, "reason", reason)
		compacted = revision
		for len(marks) > 0 && marks[0].revision < revision {
			marks = marks[1:]
		}
	}
}

// earlierMark is the newest write of earlier runs: what is before it grows old while no server runs, too. Its own revision
// stands for itself: a list that began at a later one, which has no entry, does not lose its place.
func (s *Store) earlierMark(ctx context.Context) []mark {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return nil
	}
	var marks []mark
	err := s.Journal(ctx, 0, func(r Recorded) bool {
		marks = []mark{{revision: r.Revision, at: r.Time}}
		return false
	})
	if err != nil {
		s.Logger.Warn("the age of history is counted from now", "component", "apiserver", "err", err)
	}
	return marks
}

// used is how many bytes of etcd's database hold something.
func (s *Store) used(ctx context.Context) int64 {
	status, err := s.Client.Status(ctx, s.endpoint())
	if err != nil {
		return 0
	}
	return status.DbSizeInUse
}

// compact forgets history up to the revision, and the journal's buckets that lie wholly in what was forgotten.
func (s *Store) compact(ctx context.Context, revision int64) error {
	if err := s.forget(ctx, revision); err != nil {
		return err
	}
	s.index.forget(revision)
	return s.dropBuckets(ctx, revision)
}

// forget forgets history up to the revision, and returns when the database has.
func (s *Store) forget(ctx context.Context, revision int64) error {
	_, err := s.Client.Compact(ctx, revision, clientv3.WithCompactPhysical())
	if err != nil && !isCompacted(err) {
		return fmt.Errorf("compacting etcd to revision %d: %w", revision, err)
	}
	return nil
}

// dropBuckets deletes the journal's buckets that lie wholly in what was forgotten up to the revision.
func (s *Store) dropBuckets(ctx context.Context, revision int64) error {
	buckets, err := s.kv.Get(ctx, journals, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return fmt.Errorf("listing the journal's buckets: %w", err)
	}
	newest := map[string]int64{} // each server goes on writing to its newest bucket
	for _, kv := range buckets.Kvs {
		if server, n, ok := bucketOf(string(kv.Key)); ok {
			newest[server] = max(newest[server], n)
		}
	}
	for _, kv := range buckets.Kvs {
		server, n, ok := bucketOf(string(kv.Key))
		if !ok || kv.ModRevision > revision || n == newest[server] {
			continue
		}
		if err := s.kv.Delete(ctx, string(kv.Key)); err != nil {
			return fmt.Errorf("deleting the journal bucket %s: %w", kv.Key, err)
		}
	}
	return nil
}

func isCompacted(err error) bool { return errors.Is(err, rpctypes.ErrCompacted) }
