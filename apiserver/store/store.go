package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/utils/clock"

	"minik.dev/apiserver/resources"
	"minik.dev/journal"
)

// Options of a store.
type Options struct {
	// Client speaks to etcd.
	Client *clientv3.Client
	// SoleWriter reports whether nobody else writes to this etcd, so that a read need not ask it for its newest revision: see
	// etcd.Server.SoleWriter.
	SoleWriter func() bool
	// Server names this API server among those that share the etcd; its journal entries lie under the name.
	Server string
	// History bounds what is kept of the past.
	History History
	// Unrecorded leaves the journal out, so that a benchmark can tell what it costs. It is not changed while somebody writes.
	Unrecorded bool
	// JournalRow is the row as which journal entries can be watched, and JournalObject makes its objects; nil shows them to
	// nobody.
	JournalRow    *resources.Resource
	JournalObject func(Recorded) resources.Object
	// Defragment gives pages of etcd's database back that hold nothing.
	Defragment func(context.Context) error
	// Observe is told how long each operation on etcd took, in seconds.
	Observe func(operation, resource string, seconds float64)

	Clock  clock.WithTicker
	Logger *slog.Logger
}

// Store keeps the objects of every row of the table.
type Store struct {
	Options
	// caches by key prefix, read without locks. The map is never changed: another one takes its place, made under changing.
	caches    atomic.Pointer[map[string]*cache]
	changing  sync.Mutex
	additions chan addition

	journal *journalWriter
	index   index

	kv   kv
	told told
	// windows is what all windows keep in memory, in bytes, about; short says that the process is short of memory.
	windows atomic.Int64
	short   atomic.Bool
	// revision is up to where every cache is complete; changed by the watch loop only, under advanced.L.
	revision atomic.Int64
	advanced *sync.Cond
	stopped  bool                  // guarded by advanced.L: Run is over, no revision comes any more
	gaps     atomic.Pointer[[]gap] // what restores took back; set before ready
	ready    chan struct{}         // closed after the first load
	full     chan struct{}         // has something when etcd refused a write for want of space
	// written holds the objects that this process is writing, so that the watch loop need not decode them again. By key.
	written sync.Map
	// recorded is the journal entry that this process wrote together with the last such object, and that comes right behind
	// it: it need not be decoded again either. Used by the watch loop only.
	recorded recorded
}

// written is an object on its way into etcd. Its entry is made by whoever learns of its revision first, the writer by etcd's
// answer or the watch loop by the event, and shared by both: so it is encoded for those who watch and for who wrote it once.
type written struct {
	value    []byte
	obj      resources.Object
	recorded recorded // in the same transaction
	once     sync.Once
	entry    *Entry // made by once
}

// recorded is a journal entry and its bytes in etcd; the zero value is none.
type recorded struct {
	value []byte
	entry *journal.Entry
}

// at is the entry of what was written, at the revision that wrote it.
func (w *written) at(row *resources.Resource, key string, revision int64) *Entry {
	w.once.Do(func() { w.entry = newEntry(row, key, w.value, revision, w.obj) })
	if w.entry.Revision == revision {
		return w.entry
	}
	// Another write of the same bytes to the same key arrived meanwhile.
	return newEntry(row, key, w.value, revision, w.obj.DeepCopyObject().(resources.Object))
}

// New makes a store for the rows. It starts nothing and reads nothing; see Run.
func New(rows []*resources.Resource, options Options) *Store {
	s := &Store{
		Options:   options,
		additions: make(chan addition),
		journal:   &journalWriter{server: options.Server},
		advanced:  sync.NewCond(&sync.Mutex{}),
		ready:     make(chan struct{}),
		full:      make(chan struct{}, 1),
	}
	s.gaps.Store(&[]gap{})
	s.kv = kv{etcd: options.Client, told: &s.told}
	caches := map[string]*cache{}
	for _, row := range rows {
		caches[prefix(row)] = newCache(s, row)
	}
	if options.JournalRow != nil {
		caches[prefix(options.JournalRow)] = newCache(s, options.JournalRow)
	}
	s.caches.Store(&caches)
	return s
}

// Ready is closed when the caches have been filled for the first time.
func (s *Store) Ready() <-chan struct{} { return s.ready }

// Revision is up to where every cache is complete.
func (s *Store) Revision() int64 { return s.revision.Load() }

// Run fills the caches, follows etcd and compacts its history, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	defer s.stop()
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() { s.compactor(ctx) })
	wait.Go(func() { s.ageWindows(ctx) })
	for ctx.Err() == nil {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.Logger.Error("etcd's watch ended, starting anew", "component", "apiserver", "err", err)
		select {
		case <-s.Clock.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}

// stop lets go of everyone who waits for a revision.
func (s *Store) stop() {
	s.advanced.L.Lock()
	defer s.advanced.L.Unlock()
	s.stopped = true
	s.advanced.Broadcast()
}

// follow loads everything and then applies every change, until something goes wrong.
func (s *Store) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	revision, err := s.load(ctx)
	if err != nil {
		return err
	}
	s.advance(revision)
	if err := s.findGaps(ctx); err != nil {
		return err
	}
	select {
	case <-s.ready:
	default: // nothing has been loaded before
		if err := s.journal.resume(ctx, s.kv); err != nil {
			return err
		}
		close(s.ready)
	}
	s.index.reset()
	s.written.Clear() // what was written before the watch began is loaded
	// The whole key space and not only the registry: otherwise a foreign key's revision, which a linearizable read
	// returns, would never arrive here.
	changes := s.Client.Watch(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(revision+1))
	for {
		select {
		case response, open := <-changes:
			switch {
			case !open:
				return errors.New("etcd closed the watch")
			case response.Err() != nil:
				return fmt.Errorf("watching etcd from revision %d: %w", s.Revision()+1, response.Err())
			}
			for _, event := range response.Events {
				s.apply(event)
			}
			s.relieveWindows()
			s.advance(reached(response))
		case a := <-s.additions:
			a.done <- s.fill(a.ctx, a.cache)
		}
	}
}

// reached is the revision up to which a watch has brought everything, with this response. It is not the header's: one that
// has fallen behind is caught up in pieces of a thousand revisions, and each piece's header has etcd's newest revision.
func reached(response clientv3.WatchResponse) int64 {
	if n := len(response.Events); n > 0 {
		return response.Events[n-1].Kv.ModRevision
	}
	if response.IsProgressNotify() {
		return response.Header.Revision
	}
	return 0
}

// load fills the caches with what is there at one revision, which it returns.
func (s *Store) load(ctx context.Context) (int64, error) {
	s.changing.Lock() // nobody else adds a cache meanwhile, which would be left empty
	defer s.changing.Unlock()
	var revision int64
	for _, c := range *s.caches.Load() {
		var err error
		if revision, err = s.loadCache(ctx, c, revision); err != nil {
			return 0, err
		}
	}
	return revision, nil
}

// loadCache fills one cache with what is there at the revision, or at the newest one if that is 0; it returns which it was.
func (s *Store) loadCache(ctx context.Context, c *cache, revision int64) (int64, error) {
	prefix := prefix(c.row)
	response, err := s.kv.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(revision))
	if err != nil {
		return 0, fmt.Errorf("loading %s from etcd: %w", prefix, err)
	}
	if revision == 0 {
		revision = response.Header.Revision
	}
	entries := make([]*Entry, 0, len(response.Kvs))
	for _, kv := range response.Kvs {
		entry, err := decode(c.row, string(kv.Key), kv.Value, kv.ModRevision)
		if err != nil {
			s.Logger.Error("an object in etcd can't be read and is passed over", "component", "apiserver", "err", err)
			continue
		}
		entries = append(entries, entry)
	}
	c.reset(entries, revision)
	return revision, nil
}

// apply takes one change into the cache that it belongs to.
func (s *Store) apply(event *clientv3.Event) {
	key := string(event.Kv.Key)
	if strings.HasPrefix(key, journals) {
		s.record(event)
		return
	}
	prefix, ok := prefixOf(key)
	if !ok {
		return
	}
	c, ok := (*s.caches.Load())[prefix]
	if !ok {
		s.written.Delete(key) // written in the moment in which the kind was taken away
		return
	}
	if event.Type == clientv3.EventTypeDelete {
		c.drop(key, event.Kv.ModRevision)
		return
	}
	if own, ok := s.written.Load(key); ok && bytes.Equal(own.(*written).value, event.Kv.Value) {
		if s.written.CompareAndDelete(key, own) {
			s.recorded = own.(*written).recorded
			c.put(own.(*written).at(c.row, key, event.Kv.ModRevision))
			return
		}
	}
	entry, err := decode(c.row, key, event.Kv.Value, event.Kv.ModRevision)
	if err != nil {
		s.Logger.Error("a change in etcd can't be read and is passed over", "component", "apiserver", "err", err)
		return
	}
	c.put(entry)
}

// record shows a new journal entry to those who watch the journal. The journal is read from etcd, so nothing is kept of it
// here but the window that a watch may start from, and where the entries about each object are (see index).
func (s *Store) record(event *clientv3.Event) {
	if event.Type == clientv3.EventTypeDelete {
		return
	}
	recorded := Recorded{Revision: event.Kv.ModRevision}
	if s.recorded.entry != nil && bytes.Equal(s.recorded.value, event.Kv.Value) {
		recorded.Entry = *s.recorded.entry
	} else if err := json.Unmarshal(event.Kv.Value, &recorded.Entry); err != nil {
		s.Logger.Error("a journal entry can't be read and is passed over", "component", "apiserver", "err", err)
		return
	}
	s.index.note(string(event.Kv.Key), recorded)
	if s.JournalRow == nil {
		return
	}
	entry := Unwritten(s.JournalRow, s.JournalObject(recorded))
	entry.Revision = recorded.Revision
	s.cacheOf(s.JournalRow).append(entry)
}

// Snapshot is the row's objects as the cache has them; see Fresh and AtLeast.
func (s *Store) Snapshot(row *resources.Resource) Snapshot { return s.cacheOf(row).snapshot() }

// Get is one object as the cache has it, or nil, and the revision at which that was so.
func (s *Store) Get(row *resources.Resource, namespace, name string) (*Entry, int64) {
	return s.cacheOf(row).get(Key(row, namespace, name))
}

// Watch follows the row's objects after the revision. A value other than "" watches that value of the row's indexed
// field. ErrGone says that the revision is too old, and ErrRemoved that the row is not kept any more.
func (s *Store) Watch(row *resources.Resource, revision int64, value string) (*Watcher, error) {
	return s.cacheOf(row).watch(revision, value)
}

// WatchNow follows the row's objects after the snapshot that it returns.
func (s *Store) WatchNow(row *resources.Resource, value string) (*Watcher, Snapshot) {
	return s.cacheOf(row).watchNow(value)
}

// observe measures from the call to the call of what it returns.
func (s *Store) observe(operation, resource string) func() {
	if s.Observe == nil {
		return func() {}
	}
	start := s.Clock.Now()
	return func() { s.Observe(operation, resource, s.Clock.Since(start).Seconds()) }
}
