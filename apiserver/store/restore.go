package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/journal"
)

// A restore takes a store back to a snapshot, and its revisions forward: the next one is higher than any that somebody may
// know. Those between the snapshot's and the restore's were taken back. Clients that know one of them list again, and nobody
// reads at one of them what was never there.

// restores is the part of the journal that says of restores.
const restores = "restore"

// RestoreRecord is the journal entry of a restore: of the snapshot that was saved at one revision, at another one.
func RestoreRecord(saved, revision int64, entry journal.Entry) (key, value []byte, err error) {
	entry.Verb, entry.Resource, entry.Name = journal.RestoreVerb, "snapshots", strconv.FormatInt(saved, 10)
	entry.Causes = []string{entry.Name}
	entry.Reason = fmt.Sprintf("%s: it is as it was at revision %d; later revisions before %d are taken back", entry.Reason, saved, revision)
	if value, err = json.Marshal(entry); err != nil {
		return nil, nil, fmt.Errorf("encoding the journal entry of the restore: %w", err)
	}
	return []byte(bucketKey(restores, revision)), value, nil
}

// gap is the revisions that a restore took back: those after one and before another.
type gap struct{ after, before int64 }

// findGaps reads which restores there were.
func (s *Store) findGaps(ctx context.Context) error {
	found, err := s.kv.Get(ctx, journals+restores+"/", clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("looking for restores: %w", err)
	}
	var gaps []gap
	for _, kv := range found.Kvs {
		var entry journal.Entry
		if err := json.Unmarshal(kv.Value, &entry); err != nil {
			return fmt.Errorf("decoding the journal entry of revision %d: %w", kv.ModRevision, err)
		}
		saved, err := strconv.ParseInt(entry.Name, 10, 64)
		if err != nil {
			return fmt.Errorf("reading of which revision the restore at revision %d is: %w", kv.ModRevision, err)
		}
		gaps = append(gaps, gap{saved, kv.ModRevision})
	}
	s.gaps.Store(&gaps)
	return nil
}

// TakenBack says by which restore the revision was taken back, and to which revision; both are 0 where it was not.
func (s *Store) TakenBack(revision int64) (restore, to int64) {
	for _, g := range *s.gaps.Load() {
		if g.after < revision && revision < g.before {
			return g.before, g.after
		}
	}
	return 0, 0
}
