package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// told is the newest revision that anybody may know of from an answer of etcd's: of a write that succeeded, of one that was
// refused because of somebody else's, of a read of the past, of the journal, of a count. The caches learn of it a moment later
// by the watch. A read that is answered from them waits for it, so that nobody who asks twice goes back in time.
type told struct{ atomic.Int64 }

func (t *told) raise(revision int64) {
	for {
		last := t.Load()
		if revision <= last || t.CompareAndSwap(last, revision) {
			return
		}
	}
}

// kv asks etcd and remembers the revision of each answer. Nothing else in this package reads or writes keys.
type kv struct {
	etcd clientv3.KV
	told *told
}

// Get reads keys.
func (k kv) Get(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	response, err := k.etcd.Get(ctx, key, options...)
	if err == nil {
		k.told.raise(response.Header.Revision)
	}
	return response, err
}

// Delete removes a key.
func (k kv) Delete(ctx context.Context, key string) error {
	response, err := k.etcd.Delete(ctx, key)
	if err == nil {
		k.told.raise(response.Header.Revision)
	}
	return err
}

// Txn does what is said in one piece if the conditions hold, and else what is said for that case.
func (k kv) Txn(ctx context.Context, conditions []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	response, err := k.etcd.Txn(ctx).If(conditions...).Then(then...).Else(otherwise...).Commit()
	if err == nil {
		k.told.raise(response.Header.Revision)
	}
	return response, err
}

// Fresh returns when the caches hold every write that was acknowledged before the call, and every other one that somebody has
// been told of.
func (s *Store) Fresh(ctx context.Context) error {
	if err := s.loaded(ctx); err != nil {
		return err
	}
	if s.SoleWriter() {
		return s.wait(ctx, s.told.Load())
	}
	defer s.observe("get", "revision")()
	response, err := s.kv.Get(ctx, claims, clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("asking etcd for its revision: %w", err)
	}
	return s.wait(ctx, response.Header.Revision)
}

// AtLeast returns when the caches are complete up to the revision.
func (s *Store) AtLeast(ctx context.Context, revision int64) error {
	if err := s.loaded(ctx); err != nil {
		return err
	}
	return s.wait(ctx, revision)
}

// loaded returns when the caches have been filled for the first time.
func (s *Store) loaded(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	default:
	}
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ErrFuture says that a read asks for a revision that does not come.
var ErrFuture = errors.New("Too large resource version") //nolint:staticcheck // upstream's words

// patience is how long a read waits for a revision, as upstream's watch cache.
const patience = 3 * time.Second

// wait returns when the caches are complete up to the revision.
func (s *Store) wait(ctx context.Context, revision int64) error {
	if s.Revision() >= revision {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer s.release(ctx)()
	s.advanced.L.Lock()
	defer s.advanced.L.Unlock()
	for s.revision.Load() < revision {
		if ctx.Err() != nil || s.stopped {
			return fmt.Errorf("%w: %d, current: %d", ErrFuture, revision, s.revision.Load())
		}
		s.advanced.Wait()
	}
	return nil
}

// release wakes everyone who waits for a revision when ctx ends. It takes the lock, so that nobody is between looking at ctx
// and waiting. What it returns calls it off.
func (s *Store) release(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() {
		s.advanced.L.Lock()
		defer s.advanced.L.Unlock()
		s.advanced.Broadcast()
	})
}

func (s *Store) advance(revision int64) {
	s.advanced.L.Lock()
	if revision > s.revision.Load() {
		s.revision.Store(revision)
	}
	s.advanced.L.Unlock()
	s.advanced.Broadcast()
}
