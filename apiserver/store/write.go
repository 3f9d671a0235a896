package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/apiserver/resources"
	"minik.dev/journal"
)

// ErrExists and ErrNotFound say that the object is there already, or is not there.
var (
	ErrExists   = errors.New("the object exists already")
	ErrNotFound = errors.New("the object does not exist")
)

// ConflictError says that somebody else wrote the object since it was read. Current is what is there now.
type ConflictError struct{ Current *Entry }

func (e *ConflictError) Error() string {
	return "the object has been modified; please apply your changes to the latest version and try again"
}

// ClaimedError says that another object holds what this one claims.
type ClaimedError struct{ Claim, Holder string }

func (e *ClaimedError) Error() string { return fmt.Sprintf("%s is held by %s", e.Claim, e.Holder) }

// Create writes an object that must not be there yet. It takes the object over.
func (s *Store) Create(ctx context.Context, row *resources.Resource, obj resources.Object,
	entry *journal.Entry) (*Entry, error) {
	return s.write(ctx, row, change{verb: "create", obj: obj, entry: entry})
}

// Update writes obj in the place of old, on the condition that old is still what is there. It takes the object over.
// Where obj says the same as old nothing is written, and old is returned.
func (s *Store) Update(ctx context.Context, row *resources.Resource, old *Entry, obj resources.Object,
	entry *journal.Entry) (*Entry, error) {
	return s.write(ctx, row, change{verb: "update", old: old, obj: obj, entry: entry})
}

// Delete removes old, on the condition that old is still what is there.
func (s *Store) Delete(ctx context.Context, row *resources.Resource, old *Entry, entry *journal.Entry) error {
	_, err := s.write(ctx, row, change{verb: "delete", old: old, entry: entry})
	return err
}

// change is one write: from old (nil: nothing) to obj (nil: nothing).
type change struct {
	verb  string
	old   *Entry
	obj   resources.Object
	entry *journal.Entry // nil leaves no entry
}

// write makes the change in one transaction. The entry that it returns is nil for a deletion.
func (s *Store) write(ctx context.Context, row *resources.Resource, c change) (_ *Entry, err error) {
	defer s.observe(c.verb, row.Plural)()
	var (
		key      string
		revision int64 // the ModRevision that the key must still have; 0: there must be none
		value    []byte
		then     []clientv3.Op
		own      *written // nil for a deletion
	)
	if c.old != nil {
		key, revision = c.old.Key, c.old.Revision
	} else {
		key = Key(row, c.obj.GetNamespace(), c.obj.GetName())
	}
	if c.obj == nil {
		then = append(then, clientv3.OpDelete(key))
	} else {
		if value, err = encode(row, c.obj); err != nil {
			return nil, err
		}
		if c.old != nil && c.old.stores(value) {
			return c.old, nil // nothing would change: no revision, no event, no journal entry
		}
		then = append(then, clientv3.OpPut(key, string(value)))
		own = &written{value: value, obj: c.obj}
	}
	conditions, claiming, otherwise := conditionsOf(row, c, key, revision)
	then = append(then, claiming...)
	if c.entry != nil && !row.Quiet && !s.Unrecorded {
		op, err := s.journal.op(c.entry)
		if err != nil {
			return nil, err
		}
		then = append(then, op)
		if own != nil {
			own.recorded = recorded{op.ValueBytes(), c.entry}
		}
	}
	if own != nil {
		s.written.Store(key, own)
		defer func() { // the watch loop takes it when the write arrives; a write that failed does not arrive
			if err != nil {
				s.written.CompareAndDelete(key, own)
			}
		}()
	}
	response, err := s.kv.Txn(ctx, conditions, then, otherwise)
	if err != nil {
		s.noteFull(err)
		if found := s.crossed(ctx, key, value, revision, err); found > 0 {
			return own.result(row, key, found), nil
		}
		return nil, fmt.Errorf("writing %s to etcd: %w", key, err)
	}
	if !response.Succeeded {
		return nil, s.refused(row, c, key, response)
	}
	if row.Awaited {
		_ = s.wait(ctx, response.Header.Revision) // it is written; whether it is seen yet is no error
	}
	return own.result(row, key, response.Header.Revision), nil
}

// result is what write returns once the change is in etcd.
func (w *written) result(row *resources.Resource, key string, revision int64) *Entry {
	if w == nil { // a deletion
		return nil
	}
	return w.at(row, key, revision)
}

// conditionsOf are the transaction's conditions, what it does about claims, and what it reads when a condition fails: the
// object first, then each claim that is taken.
func conditionsOf(row *resources.Resource, c change, key string, revision int64) (
	conditions []clientv3.Cmp, then, otherwise []clientv3.Op) {
	conditions = []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", revision)}
	otherwise = []clientv3.Op{clientv3.OpGet(key)}
	take, release := claimsOf(row, c)
	for _, claim := range take {
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(claims+claim), "=", 0))
		otherwise = append(otherwise, clientv3.OpGet(claims+claim))
		then = append(then, clientv3.OpPut(claims+claim, key))
	}
	for _, claim := range release {
		then = append(then, clientv3.OpDelete(claims+claim))
	}
	return conditions, then, otherwise
}

// refused says why the transaction's conditions did not hold.
func (s *Store) refused(row *resources.Resource, c change, key string, r *clientv3.TxnResponse) error {
	take, _ := claimsOf(row, c)
	found := r.Responses[0].GetResponseRange().Kvs
	switch {
	case len(found) == 0 && c.old != nil:
		return ErrNotFound
	case len(found) == 1 && c.old == nil:
		return ErrExists
	case len(found) == 1 && found[0].ModRevision != c.old.Revision:
		current, err := decode(row, key, found[0].Value, found[0].ModRevision)
		if err != nil {
			return err
		}
		return &ConflictError{Current: current}
	}
	for i, claim := range take {
		if held := r.Responses[i+1].GetResponseRange().Kvs; len(held) > 0 {
			return &ClaimedError{Claim: claim, Holder: string(held[0].Value)}
		}
	}
	return fmt.Errorf("writing %s: etcd refused a transaction whose conditions hold", key)
}

// claimsOf says what the change takes and what it gives back.
func claimsOf(row *resources.Resource, c change) (take, release []string) {
	if row.Claims == nil {
		return nil, nil
	}
	var before, after []string
	if c.old != nil {
		before = row.Claims(c.old.Object)
	}
	if c.obj != nil {
		after = row.Claims(c.obj)
	}
	for _, claim := range after {
		if !slices.Contains(before, claim) {
			take = append(take, claim)
		}
	}
	for _, claim := range before {
		if !slices.Contains(after, claim) {
			release = append(release, claim)
		}
	}
	return take, release
}
