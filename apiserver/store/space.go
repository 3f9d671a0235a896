package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// noteFull wakes the compactor when etcd refused a write because its database has reached its quota. From then on etcd
// refuses every write, until somebody makes room and says so.
func (s *Store) noteFull(err error) {
	if !errors.Is(err, rpctypes.ErrNoSpace) {
		return
	}
	select {
	case s.full <- struct{}{}:
	default: // it is awake already
	}
}

// crossed says at which revision a write is in etcd although etcd answered that it has no space; 0 where it is not. The one
// write that crosses the quota is applied and answered like the refused ones that follow it (quotaApplierV3 in etcd).
// A nil value is a deletion; before is the ModRevision that the key had.
func (s *Store) crossed(ctx context.Context, key string, value []byte, before int64, err error) int64 {
	if !errors.Is(err, rpctypes.ErrNoSpace) {
		return 0
	}
	there, err := s.kv.Get(ctx, key)
	switch {
	case err != nil:
		return 0
	case len(there.Kvs) == 0 && value == nil:
		return there.Header.Revision
	case len(there.Kvs) == 1 && value != nil && there.Kvs[0].ModRevision > before && bytes.Equal(there.Kvs[0].Value, value):
		return there.Kvs[0].ModRevision
	}
	return 0
}

// relieve makes room in a full etcd: all history is forgotten, the freed pages are given back, and writes are taken again.
// It helps unless what is there now fills etcd by itself.
func (s *Store) relieve(ctx context.Context) error {
	revision := s.Revision()
	if err := s.forget(ctx, revision); err != nil {
		return err
	}
	if err := s.Defragment(ctx); err != nil {
		return fmt.Errorf("defragmenting etcd: %w", err)
	}
	if _, err := s.Client.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		return fmt.Errorf("telling etcd that there is room again: %w", err)
	}
	s.Logger.Warn("etcd was full: history is forgotten", "component", "apiserver", "revision", revision)
	// The journal's old buckets go last: deleting them is a write.
	return s.dropBuckets(ctx, revision)
}

// reliefPause is how long a full etcd is left alone after room was made: doing so stops all writes for a while.
const reliefPause = 10 * time.Second

// endpoint is the etcd to ask about itself.
func (s *Store) endpoint() string {
	if endpoints := s.Client.Endpoints(); len(endpoints) > 0 {
		return endpoints[0]
	}
	return "" // one that is spoken to in this process has no address
}
