package store

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/journal"
)

// heldWatch keeps back what etcd's watch brings until it is let go.
type heldWatch struct {
	clientv3.Watcher
	letGo chan struct{}
}

func (h *heldWatch) Watch(ctx context.Context, key string, options ...clientv3.OpOption) clientv3.WatchChan {
	out := make(chan clientv3.WatchResponse)
	in := h.Watcher.Watch(ctx, key, options...)
	go func() {
		defer close(out)
		select {
		case <-h.letGo:
		case <-ctx.Done():
		}
		for response := range in {
			select {
			case out <- response:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

// fullWhen answers, while it is on, transactions that succeed as if there had been no space for them, as etcd does with the one
// that crosses its quota.
type fullWhen struct {
	clientv3.KV
	on atomic.Bool
}

func (f *fullWhen) Txn(ctx context.Context) clientv3.Txn {
	if f.on.Load() {
		return fullTxn{f.KV.Txn(ctx)}
	}
	return f.KV.Txn(ctx)
}

type fullTxn struct{ clientv3.Txn }

func (t fullTxn) If(c ...clientv3.Cmp) clientv3.Txn  { return fullTxn{t.Txn.If(c...)} }
func (t fullTxn) Then(o ...clientv3.Op) clientv3.Txn { return fullTxn{t.Txn.Then(o...)} }
func (t fullTxn) Else(o ...clientv3.Op) clientv3.Txn { return fullTxn{t.Txn.Else(o...)} }
func (t fullTxn) Commit() (*clientv3.TxnResponse, error) {
	_, err := t.Txn.Commit()
	return nil, errors.Join(err, rpctypes.ErrNoSpace)
}

// Whoever was told of a write by etcd, in whatever way, finds it when they read next: nobody goes back in time. Each way gives
// its answer while the watch, which brings the write to the caches, is held back; a read must wait for it then.
func TestNobodyReadsWhatIsOlderThanWhatTheyWereTold(t *testing.T) {
	configMaps, services := rowOf("configmaps"), rowOf("services")
	subject := Subject{Resource: "configmaps", Namespace: "n", Name: "b"}
	for name, ask := range map[string]func(t *testing.T, s *Store, old *Entry, revision int64){
		"a create that is refused": func(t *testing.T, s *Store, _ *Entry, _ int64) {
			_, err := s.Create(t.Context(), configMaps, configMap("n", "b", ""), nil)
			require.ErrorIs(t, err, ErrExists)
		},
		"an update that is refused": func(t *testing.T, s *Store, old *Entry, _ int64) {
			_, err := s.Update(t.Context(), configMaps, old, configMap("n", "a", "3"), nil)
			require.ErrorAs(t, err, new(*ConflictError))
		},
		"a deletion that is refused": func(t *testing.T, s *Store, old *Entry, _ int64) {
			require.ErrorAs(t, s.Delete(t.Context(), configMaps, old, nil), new(*ConflictError))
		},
		"an update of what is gone": func(t *testing.T, s *Store, old *Entry, _ int64) {
			gone := &Entry{Key: old.Key + "-gone", Revision: old.Revision}
			_, err := s.Update(t.Context(), configMaps, gone, configMap("n", "a-gone", ""), nil)
			require.ErrorIs(t, err, ErrNotFound)
		},
		"a claim that is held": func(t *testing.T, s *Store, _ *Entry, _ int64) {
			_, err := s.Create(t.Context(), services, service("other", "10.96.0.7"), nil)
			require.ErrorAs(t, err, new(*ClaimedError))
		},
		"a write": func(t *testing.T, s *Store, _ *Entry, _ int64) {
			_, err := s.Create(t.Context(), configMaps, configMap("n", "c", ""), nil)
			require.NoError(t, err)
		},
		"a write that is there although etcd is full": func(t *testing.T, s *Store, _ *Entry, _ int64) {
			s.Client.KV.(*fullWhen).on.Store(true)
			_, err := s.Create(t.Context(), configMaps, configMap("n", "c", ""), nil)
			require.NoError(t, err)
		},
		"an object of the past": func(t *testing.T, s *Store, _ *Entry, revision int64) {
			_, err := s.GetAt(t.Context(), configMaps, "n", "b", revision)
			require.NoError(t, err)
		},
		"a list of the past": func(t *testing.T, s *Store, _ *Entry, revision int64) {
			require.NoError(t, s.ListAt(t.Context(), configMaps, "", revision, "", func(*Entry) bool { return true }))
		},
		"a count": func(t *testing.T, s *Store, _ *Entry, revision int64) {
			n, err := s.CountAt(t.Context(), configMaps, "", revision, Range(configMaps, ""))
			require.NoError(t, err)
			require.EqualValues(t, 2, n)
		},
		"that a revision is kept": func(t *testing.T, s *Store, _ *Entry, revision int64) {
			kept, err := s.Kept(t.Context(), revision)
			require.NoError(t, err)
			require.True(t, kept)
		},
		"the journal": func(t *testing.T, s *Store, _ *Entry, _ int64) {
			require.NoError(t, s.Journal(t.Context(), 0, func(Recorded) bool { return false }))
		},
		"the journal of one object": func(t *testing.T, s *Store, _ *Entry, revision int64) {
			told := false
			require.NoError(t, s.JournalOf(t.Context(), subject, revision, func(Recorded) bool { told = true; return false }))
			require.True(t, told)
		},
		"when a revision was written": func(t *testing.T, s *Store, _ *Entry, revision int64) {
			_, err := s.TimeAt(t.Context(), revision)
			require.NoError(t, err)
		},
		"a replay": func(t *testing.T, s *Store, old *Entry, revision int64) {
			told := false
			require.NoError(t, s.Replay(t.Context(), configMaps, old.Revision, revision, func(*Event) bool { told = true; return false }))
			require.True(t, told)
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := startEtcd(t)
			letGo := make(chan struct{})
			watcher := client.Watcher
			client.Watcher, client.KV = &heldWatch{watcher, letGo}, &fullWhen{KV: client.KV}
			t.Cleanup(func() { client.Watcher = watcher })
			first, stopFirst := startStore(t, client, "a", true)
			old, err := first.Create(t.Context(), configMaps, configMap("n", "a", "1"), nil)
			require.NoError(t, err)
			stopFirst()
			s, _ := startStore(t, client, "a", true) // it loads the first write, and waits for those that follow

			revision := writeUnseen(t, client, old)
			require.Less(t, s.Revision(), revision, "the caches have not heard of it")
			ask(t, s, old, revision)

			over, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, s.Fresh(over), ErrFuture, "a read waits")
			close(letGo)
			require.NoError(t, s.Fresh(t.Context()))
			seen, _ := s.Get(configMaps, "n", "b")
			require.NotNil(t, seen, "and then finds it")
		})
	}
}

// writeUnseen writes an object, changes the old one and claims an address, as somebody else's request does that is not
// answered yet.
func writeUnseen(t *testing.T, client *clientv3.Client, old *Entry) int64 {
	t.Helper()
	row := rowOf("configmaps")
	put := func(key string, value any) clientv3.Op {
		text, err := json.Marshal(value)
		require.NoError(t, err)
		return clientv3.OpPut(key, string(text))
	}
	written, err := client.Txn(t.Context()).Then(
		put(Key(row, "n", "b"), configMap("n", "b", "")),
		put(old.Key, configMap("n", "a", "2")),
		put(claims+"clusterip/10.96.0.7", "somebody"),
		put(bucketKey("a", 7), journal.Entry{Verb: "create", Resource: "configmaps", Namespace: "n", Name: "b"}),
	).Commit()
	require.NoError(t, err)
	return written.Header.Revision
}
