package store

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"minik.dev/apiserver/resources"
)

// history is a cache that a test fills itself, without etcd. Every write is one revision.
type history struct {
	s     *Store
	c     *cache
	row   *resources.Resource
	given []string // what a watch of everything sees of each revision: "ADDED a@1"
}

func newHistory(plural string) *history {
	row := rowOf(plural)
	s := New([]*resources.Resource{row}, Options{Clock: clocktesting.NewFakeClock(time.Unix(0, 0))})
	return &history{s: s, c: s.cacheOf(row), row: row}
}

func (h *history) next() int64 { return h.s.Revision() + 1 }

func (h *history) put(t require.TestingT, obj resources.Object) {
	obj.SetNamespace("n")
	revision := h.next()
	stored, err := encode(h.row, obj)
	require.NoError(t, err)
	key := Key(h.row, "n", obj.GetName())
	kind := watch.Added
	if e, _ := h.c.get(key); e != nil {
		kind = watch.Modified
	}
	h.c.put(newEntry(h.row, key, stored, revision, obj))
	h.s.advance(revision)
	h.given = append(h.given, fmt.Sprintf("%s %s@%d", kind, obj.GetName(), revision))
}

func (h *history) drop(name string) {
	key, revision := Key(h.row, "n", name), h.next()
	if e, _ := h.c.get(key); e != nil {
		h.given = append(h.given, fmt.Sprintf("%s %s@%d", watch.Deleted, name, revision))
	}
	h.c.drop(key, revision)
	h.s.advance(revision)
}

func taken(events []*Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, fmt.Sprintf("%s %s@%s", e.Type, e.Entry.Object.GetName(), e.Entry.Object.GetResourceVersion()))
	}
	return out
}

func pod(name, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{NodeName: node}}
}

// A watch may end anywhere and be resumed from the revision it had reached: it misses nothing and repeats nothing.
func TestAResumedWatchMissesAndRepeatsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHistory("configmaps")
		w, err := h.c.watch(0, "")
		require.NoError(rt, err)
		var seen []string
		reached := int64(0)
		take := func() {
			events, revision, err := w.Take()
			require.NoError(rt, err)
			require.GreaterOrEqual(rt, revision, reached)
			seen, reached = append(seen, taken(events)...), revision
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				h.put(rt, configMap("", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name"), ""))
			},
			"drop": func(rt *rapid.T) { h.drop(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name")) },
			"take": func(*rapid.T) { take() },
			"resume": func(rt *rapid.T) { // what was queued and not taken comes again
				w.Stop()
				w, err = h.c.watch(reached, "")
				require.NoError(rt, err)
			},
			"list and watch": func(rt *rapid.T) {
				take()
				w.Stop()
				var snapshot Snapshot
				w, snapshot = h.c.watchNow("")
				require.Equal(rt, reached, snapshot.Revision)
			},
			"": func(rt *rapid.T) {
				require.LessOrEqual(rt, len(seen), len(h.given))
				require.Equal(rt, append([]string{}, h.given[:len(seen)]...), append([]string{}, seen...))
			},
		})
		take()
		require.Equal(rt, append([]string{}, h.given...), append([]string{}, seen...))
		require.Equal(rt, h.s.Revision(), reached)
		w.Stop()
		require.Empty(rt, h.c.watchers)
	})
}

// A watch of one value of the indexed field gets exactly the events of objects that had the value before or have it now.
func TestAnIndexedWatchGetsItsEventsOnly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHistory("pods")
		nodes := rapid.SampledFrom([]string{"", "node-1", "node-2"})
		wanted := map[string]string{} // pod → node
		var expected []string
		var late *Watcher
		w, err := h.c.watch(0, "node-1")
		require.NoError(rt, err)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			name, node := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "pod"), nodes.Draw(rt, "node")
			before, existed := wanted[name]
			if existed && rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
				h.drop(name)
				delete(wanted, name)
				node = ""
			} else {
				h.put(rt, pod(name, node))
				wanted[name] = node
			}
			if node == "node-1" || before == "node-1" {
				expected = append(expected, h.given[len(h.given)-1])
			}
		}
		events, _, err := w.Take()
		require.NoError(rt, err)
		require.Equal(rt, expected, taken(events))
		late, err = h.c.watch(0, "node-1") // from the window, the same
		require.NoError(rt, err)
		events, _, err = late.Take()
		require.NoError(rt, err)
		require.Equal(rt, expected, taken(events))
		w.Stop()
		late.Stop()
		require.Empty(rt, h.c.indexed)
	})
}

func TestADeletedEventIsTheLastStateAtTheNewRevision(t *testing.T) {
	h := newHistory("configmaps")
	w, _ := h.c.watchNow("")
	h.put(t, configMap("", "a", "last"))
	h.put(t, configMap("", "a", "moved"))
	h.drop("a")
	events, _, err := w.Take()
	require.NoError(t, err)
	require.Equal(t, []string{"ADDED a@1", "MODIFIED a@2", "DELETED a@3"}, taken(events))
	require.Equal(t, "moved", valueOf(events[2].Gone()))
	require.Equal(t, "last", valueOf(events[1].Gone()), "who loses the object from its selection sees the state before")
	require.Equal(t, "2", events[1].Gone().Object.GetResourceVersion(), "at the revision of the change")
	shown, err := events[2].Entry.JSON()
	require.NoError(t, err)
	require.Contains(t, string(shown), `"resourceVersion":"3"`)
	require.Equal(t, "2", events[1].Entry.Object.GetResourceVersion(), "the entry is nobody's to change")
}

// An event is there a moment before its revision is complete. A watcher that has it does not go back before it: a bookmark
// of the revision before would have its client see the event once more.
func TestARevisionThatWasReachedStaysReached(t *testing.T) {
	h := newHistory("configmaps")
	w, _ := h.c.watchNow("")
	obj, key := configMap("n", "a", "1"), Key(h.row, "n", "a")
	stored, err := encode(h.row, obj)
	require.NoError(t, err)
	h.c.put(newEntry(h.row, key, stored, 1, obj)) // and nobody has advanced yet
	late, snapshot := h.c.watchNow("")
	require.EqualValues(t, 1, snapshot.Revision)
	events, revision, err := w.Take()
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.EqualValues(t, 1, revision)
	for _, watcher := range []*Watcher{w, late} {
		events, revision, err = watcher.Take()
		require.NoError(t, err)
		require.Empty(t, events)
		require.EqualValues(t, 1, revision)
	}
}

// One that does not fetch its events is cut off; the others go on.
func TestAWatcherThatFallsBehindIsCutOff(t *testing.T) {
	h := newHistory("configmaps")
	slow, _ := h.c.watchNow("")
	fast, _ := h.c.watchNow("")
	got := 0
	for i := range queueBound + 1 {
		h.put(t, configMap("", "a", strconv.Itoa(i)))
		if i%1000 == 0 {
			events, _, err := fast.Take()
			require.NoError(t, err)
			got += len(events)
		}
	}
	<-slow.Ready()
	_, _, err := slow.Take()
	require.ErrorIs(t, err, ErrGone)
	require.Empty(t, slow.queue)
	events, _, err := fast.Take()
	require.NoError(t, err)
	require.Equal(t, queueBound+1, got+len(events))
	_, err = slow.Next(t.Context())
	require.ErrorIs(t, err, ErrGone, "and stays so")
}

// The window is bounded: whoever starts before it has to list again.
func TestAWatchFromBeforeTheWindowIsGone(t *testing.T) {
	for plural, size := range map[string]int{"configmaps": windowSize, "leases": quietWindow} {
		h := newHistory(plural)
		for range 3 * size {
			obj := h.row.New()
			obj.SetName("a")
			h.put(t, obj)
		}
		require.Equal(t, size, h.c.window.len())
		require.LessOrEqual(t, len(h.c.window.events), 2*size+1)
		_, err := h.c.watch(h.c.oldest-1, "")
		require.ErrorIs(t, err, ErrGone, plural)
		w, err := h.c.watch(h.c.oldest, "")
		require.NoError(t, err)
		events, _, err := w.Take()
		require.NoError(t, err)
		require.Equal(t, h.given[h.c.oldest:], taken(events), "from the oldest revision on nothing is missing")
	}
}

// When etcd's watch had to be started anew, nobody knows what was missed: everyone has to list again.
func TestAFreshLoadCutsEveryoneOff(t *testing.T) {
	h := newHistory("pods")
	all, _ := h.c.watchNow("")
	one, _ := h.c.watchNow("node-1")
	h.put(t, pod("a", "node-1"))
	entry, _ := h.c.get(Key(h.row, "n", "a"))
	h.c.reset([]*Entry{entry}, 7)
	for _, w := range []*Watcher{all, one} {
		_, _, err := w.Take()
		require.ErrorIs(t, err, ErrGone)
	}
	_, err := h.c.watch(6, "")
	require.ErrorIs(t, err, ErrGone)
	_, err = h.c.watch(7, "")
	require.NoError(t, err)
	require.Equal(t, 1, h.s.Snapshot(h.row).Len())
}

// A snapshot stays as it is while the cache goes on.
func TestASnapshotDoesNotChange(t *testing.T) {
	h := newHistory("configmaps")
	h.put(t, configMap("", "a", "1"))
	before := h.s.Snapshot(h.row)
	h.put(t, configMap("", "a", "2"))
	h.put(t, configMap("", "b", "1"))
	require.Equal(t, 1, before.Len())
	before.Ascend(prefix(h.row), "", func(e *Entry) bool {
		require.Equal(t, "1", valueOf(e))
		return true
	})
	require.EqualValues(t, 1, before.Revision)
}

func TestNextWaitsForEventsOrTheEnd(t *testing.T) {
	h := newHistory("configmaps")
	w, _ := h.c.watchNow("")
	got := make(chan []string, 1)
	go func() {
		events, err := w.Next(t.Context())
		if err == nil {
			got <- taken(events)
		}
	}()
	h.put(t, configMap("", "a", "1"))
	require.Equal(t, []string{"ADDED a@1"}, <-got)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.Next(ended)
	require.ErrorIs(t, err, context.Canceled)
}
