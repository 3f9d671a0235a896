package store

import (
	"fmt"
	"strings"
	"sync"

	"github.com/google/btree"
	"k8s.io/apimachinery/pkg/watch"

	"minik.dev/apiserver/resources"
)

// cache is the present of one resource, and the last of its past.
type cache struct {
	store *Store
	row   *resources.Resource

	mu sync.RWMutex
	// tree holds the objects by key. Readers clone it under mu and walk the clone without.
	tree *btree.BTreeG[*Entry]
	// last is the revision of the newest change that is in the tree.
	last int64
	// window are the last events; a watch may start in it from any revision from oldest on.
	window window
	oldest int64
	// removed: the row is not kept any more. Nothing comes into the cache, and nobody can watch it.
	removed bool
	// watchers that want everything, and those that want one value of the indexed field.
	watchers map[*Watcher]struct{}
	indexed  map[string]map[*Watcher]struct{}
}

func newCache(s *Store, row *resources.Resource) *cache {
	return &cache{
		store: s, row: row, tree: newTree(),
		watchers: map[*Watcher]struct{}{}, indexed: map[string]map[*Watcher]struct{}{},
	}
}

func newTree() *btree.BTreeG[*Entry] {
	return btree.NewG(32, func(a, b *Entry) bool { return a.Key < b.Key })
}

// reset starts the cache anew from what is in etcd at the revision. Watchers that were there missed something.
func (c *cache) reset(entries []*Entry, revision int64) {
	tree := newTree()
	for _, e := range entries {
		tree.ReplaceOrInsert(e)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store.windows.Add(-c.window.bytes)
	c.tree, c.last, c.window, c.oldest = tree, revision, window{}, revision
	c.end(ErrGone)
}

// end tells everyone who watches that there is nothing more to come, and why. The caller holds mu.
func (c *cache) end(why error) {
	for w := range c.watchers {
		w.end(why)
	}
	for _, set := range c.indexed {
		for w := range set {
			w.end(why)
		}
	}
}

// put takes in an object that was written. It is called by the store's one watch loop only.
func (c *cache) put(entry *Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	previous, existed := c.tree.ReplaceOrInsert(entry)
	event := &Event{Type: watch.Added, Revision: entry.Revision, Entry: entry, c: c}
	if existed {
		event.Type, event.Previous = watch.Modified, previous
	}
	c.publish(event)
}

// append takes in an object that is shown to watchers and not kept. It is called by the store's one watch loop only.
func (c *cache) append(entry *Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publish(&Event{Type: watch.Added, Revision: entry.Revision, Entry: entry, c: c})
}

// drop takes in that an object was removed. It is called by the store's one watch loop only.
func (c *cache) drop(key string, revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	previous, existed := c.tree.Delete(&Entry{Key: key})
	if !existed {
		return
	}
	c.publish(&Event{Type: watch.Deleted, Revision: revision, Entry: previous.at(c.row, revision), Previous: previous, c: c})
}

// publish remembers the event and hands it to those who watch. The caller holds mu.
func (c *cache) publish(event *Event) {
	if c.removed {
		return
	}
	c.last = event.Revision
	now := c.store.Clock.Now().UnixNano()
	event.came, event.size = now, event.weigh()
	c.window.add(event)
	c.store.windows.Add(event.size)
	c.trim(windowBytes, now)
	for w := range c.watchers {
		w.push(event)
	}
	if c.row.Indexed.Of == nil {
		return
	}
	value := event.Entry.indexed()
	for w := range c.indexed[value] {
		w.push(event)
	}
	if event.Previous == nil {
		return
	}
	if before := event.Previous.indexed(); before != value {
		for w := range c.indexed[before] {
			w.push(event)
		}
	}
}

// Snapshot is a resource at one revision. It stays as it is while the cache goes on.
type Snapshot struct {
	// Revision is one that a watch may start from to see all that comes after the snapshot, and nothing twice.
	Revision int64
	tree     *btree.BTreeG[*Entry]
	prefix   string // of the keys of everything in the tree
}

// Ascend calls each for the entries whose keys begin with prefix, in order, from the key start on; "" is the first.
func (s Snapshot) Ascend(prefix, start string, each func(*Entry) bool) {
	if prefix == s.prefix && start == "" { // all of them: no key need be looked at
		s.tree.Ascend(each)
		return
	}
	s.tree.AscendGreaterOrEqual(&Entry{Key: max(prefix, start)}, func(e *Entry) bool {
		return strings.HasPrefix(e.Key, prefix) && each(e)
	})
}

// Len is how many objects there are in all namespaces.
func (s Snapshot) Len() int { return s.tree.Len() }

func (c *cache) snapshot() Snapshot {
	c.mu.Lock() // Clone changes the tree's own bookkeeping
	defer c.mu.Unlock()
	return Snapshot{Revision: max(c.last, c.store.Revision()), tree: c.tree.Clone(), prefix: prefix(c.row)}
}

func (c *cache) get(key string) (*Entry, int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	entry, _ := c.tree.Get(&Entry{Key: key})
	return entry, max(c.last, c.store.Revision())
}

// watch starts a watcher after the revision, with the events that have happened since already in its queue.
func (c *cache) watch(revision int64, value string) (*Watcher, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return nil, ErrRemoved
	}
	if revision < c.oldest {
		return nil, fmt.Errorf("%w: %d (%d)", ErrGone, revision, c.oldest)
	}
	w := &Watcher{cache: c, value: value, reached: revision, wake: make(chan struct{}, 1)}
	c.replay(w, revision)
	c.add(w)
	return w, nil
}

// watchNow starts a watcher from a snapshot of the present.
func (c *cache) watchNow(value string) (*Watcher, Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := Snapshot{Revision: max(c.last, c.store.Revision()), tree: c.tree.Clone(), prefix: prefix(c.row)}
	w := &Watcher{cache: c, value: value, reached: now.Revision, wake: make(chan struct{}, 1)}
	if c.removed {
		w.end(ErrRemoved)
		return w, now
	}
	c.add(w)
	return w, now
}

func (c *cache) replay(w *Watcher, revision int64) {
	for _, e := range c.window.kept() {
		if e.Revision <= revision {
			continue
		}
		if w.value == "" || e.Entry.indexed() == w.value ||
			(e.Previous != nil && e.Previous.indexed() == w.value) {
			w.push(e)
		}
	}
}

func (c *cache) add(w *Watcher) {
	if w.value == "" {
		c.watchers[w] = struct{}{}
		return
	}
	set := c.indexed[w.value]
	if set == nil {
		set = map[*Watcher]struct{}{}
		c.indexed[w.value] = set
	}
	set[w] = struct{}{}
}

func (c *cache) forget(w *Watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watchers, w)
	if set := c.indexed[w.value]; set != nil {
		delete(set, w)
		if len(set) == 0 {
			delete(c.indexed, w.value)
		}
	}
}
