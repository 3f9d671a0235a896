package store

import (
	"context"
	"fmt"
	"maps"

	"minik.dev/apiserver/resources"
)

// addition is a cache that the watch loop is to fill. It does so between two responses of etcd's watch: then the cache is
// complete up to the revision that all others are complete to, and each later change arrives.
type addition struct {
	ctx   context.Context //nolint:containedctx // of the call that waits for done
	cache *cache
	done  chan error // has room for one
}

// Add keeps the objects of one more row from now on: those that are in etcd already, as after a restart, among them. It returns
// when they can be read. A row that is kept under the same keys is taken away: see Remove.
func (s *Store) Add(ctx context.Context, row *resources.Resource) error {
	if err := s.loaded(ctx); err != nil {
		return err
	}
	a := addition{ctx: ctx, cache: newCache(s, row), done: make(chan error, 1)}
	select {
	case s.additions <- a:
		return <-a.done
	case <-ctx.Done():
		return fmt.Errorf("adding %s to the store: %w", row.GroupResource(), ctx.Err())
	}
}

// fill is Add's part that the watch loop does.
func (s *Store) fill(ctx context.Context, c *cache) error {
	if _, err := s.loadCache(ctx, c, s.Revision()); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.putCache(prefix(c.row), c)
	return nil
}

// Remove keeps the row's objects no longer: who watches them is told ErrRemoved, and nobody finds any. What is in etcd stays
// there; whoever takes a kind away deletes its objects first.
func (s *Store) Remove(row *resources.Resource) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if c := (*s.caches.Load())[prefix(row)]; c != nil && c.row == row {
		s.putCache(prefix(row), nil)
	}
}

// putCache puts the cache, or nothing, in the place of the one of that prefix. The caller holds changing.
func (s *Store) putCache(prefix string, c *cache) {
	caches := maps.Clone(*s.caches.Load())
	old := caches[prefix]
	delete(caches, prefix)
	if c != nil {
		caches[prefix] = c
	}
	s.caches.Store(&caches)
	if old != nil {
		old.remove()
	}
}

// cacheOf is the row's cache. Of a row that is not kept (any more) it is an empty one that nobody can watch.
func (s *Store) cacheOf(row *resources.Resource) *cache {
	if c := (*s.caches.Load())[prefix(row)]; c != nil {
		return c
	}
	c := newCache(s, row)
	c.removed = true
	return c
}

// remove ends the cache and gives back what it keeps in memory.
func (c *cache) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removed = true
	c.store.windows.Add(-c.window.bytes)
	c.tree, c.window = newTree(), window{}
	c.end(ErrRemoved)
}
