package loop

import (
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// OwnWrites remembers, for each key, what the controller wrote to the children and the cache need not show yet. Acting on
// a cache without them would make the same pod twice. The zero value is ready; it is safe for concurrent use.
//
// Real Kubernetes counts the events it still expects, and gives up waiting after five minutes. Here a write is known by
// its revision: once the cache has reached it, it has seen the write, whatever became of the object since.
type OwnWrites struct {
	mu   sync.Mutex
	keys map[string]*unseen
}

// unseen is what one key's last plan wrote.
type unseen struct {
	// revision is the newest resourceVersion that a create, update or patch of a child returned.
	revision int64
	// deleted are the children whose deletion was asked for, by UID, with their key in the cache: a deletion's answer does
	// not tell its revision. Each is seen when it is gone from the cache or shown as being deleted.
	deleted map[types.UID]string
}

// Wrote notes that the key's reconcile wrote the child and got it back as it is now.
func (w *OwnWrites) Wrote(key string, child metav1.Object) {
	revision, err := strconv.ParseInt(child.GetResourceVersion(), 10, 64)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.of(key)
	u.revision = max(u.revision, revision)
}

// Deleted notes that the key's reconcile deleted the child.
func (w *OwnWrites) Deleted(key string, child metav1.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.of(key)
	if u.deleted == nil {
		u.deleted = map[types.UID]string{}
	}
	u.deleted[child.GetUID()] = KeyOf(child)
}

// Forget drops a key whose owner is gone.
func (w *OwnWrites) Forget(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.keys, key)
}

// ShownBy reports whether the cache of the children shows everything the key wrote. It is asked before the cache is read.
func (w *OwnWrites) ShownBy(store cache.Store, key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, ok := w.keys[key]
	if !ok {
		return true
	}
	if u.revision > 0 {
		// A revision that cannot be read is that of a cache which has seen nothing.
		reached, _ := strconv.ParseInt(store.LastStoreSyncResourceVersion(), 10, 64)
		if reached < u.revision {
			return false
		}
	}
	for uid, child := range u.deleted {
		if cached, exists, _ := store.GetByKey(child); exists {
			obj := cached.(metav1.Object)
			if obj.GetUID() == uid && obj.GetDeletionTimestamp() == nil {
				return false
			}
		}
		delete(u.deleted, uid)
	}
	delete(w.keys, key)
	return true
}

func (w *OwnWrites) of(key string) *unseen {
	if w.keys == nil {
		w.keys = map[string]*unseen{}
	}
	if w.keys[key] == nil {
		w.keys[key] = &unseen{}
	}
	return w.keys[key]
}
