package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/apiserver/resources"
)

// pageSize is how many objects of the past are fetched from etcd at a time.
const pageSize = 500

// CountAt is how many of the row's objects there were at the revision, from the key start on.
func (s *Store) CountAt(ctx context.Context, row *resources.Resource, namespace string, revision int64,
	start string) (int64, error) {
	defer s.observe("count", row.Plural)()
	end := clientv3.GetPrefixRangeEnd(Range(row, namespace))
	counted, err := s.Client.Get(ctx, start, clientv3.WithRange(end), clientv3.WithRev(revision), clientv3.WithCountOnly())
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
		page, err := s.Client.Get(ctx, start, clientv3.WithRange(end), clientv3.WithRev(revision), clientv3.WithLimit(pageSize))
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
