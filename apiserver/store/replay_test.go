package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"

	"minik.dev/journal"
)

// state is what is there at a revision: name, value and resourceVersion of everything.
func (s *Store) state(t require.TestingT, namespace string, revision int64) map[string]string {
	state := map[string]string{}
	err := s.ListAt(context.Background(), rowOf("configmaps"), namespace, revision, "", func(e *Entry) bool {
		state[e.Object.GetName()] = valueOf(e) + "@" + e.Object.GetResourceVersion()
		return true
	})
	require.NoError(t, err)
	return state
}

// For random histories: reading at a revision equals what was there at that moment, and a replay from any revision ends in
// the state at the end, with every change in its place.
func TestThePastIsWhatThePresentWas(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	row, other := rowOf("configmaps"), rowOf("secrets")
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		namespace := fmt.Sprintf("n%d", n)
		ctx := context.Background()
		at := map[int64]map[string]string{} // what a list at that revision returned
		var revisions []int64
		for i := range rapid.IntRange(1, 25).Draw(t, "writes") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			require.NoError(t, s.Fresh(ctx))
			entry := &journal.Entry{Verb: "write", Resource: "configmaps", Namespace: namespace, Name: name}
			old, _ := s.Get(row, namespace, name)
			var err error
			switch next := configMap(namespace, name, fmt.Sprint(i)); {
			case old == nil:
				_, err = s.Create(ctx, row, next, entry)
			case rapid.Bool().Draw(t, "delete"):
				err = s.Delete(ctx, row, old, entry)
			default:
				_, err = s.Update(ctx, row, old, next, entry)
			}
			require.NoError(t, err)
			_, err = s.Create(ctx, other, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint(i)}},
				&journal.Entry{Verb: "create", Resource: "secrets", Namespace: namespace, Name: fmt.Sprint(i)})
			require.NoError(t, err)
			require.NoError(t, s.Fresh(ctx))
			now := map[string]string{}
			s.Snapshot(row).Ascend(Range(row, namespace), "", func(e *Entry) bool {
				now[e.Object.GetName()] = valueOf(e) + "@" + e.Object.GetResourceVersion()
				return true
			})
			revisions = append(revisions, s.Revision())
			at[s.Revision()] = now
		}
		for _, revision := range revisions {
			require.Equal(t, at[revision], s.state(t, namespace, revision))
		}
		from := rapid.SampledFrom(revisions).Draw(t, "from")
		state, last := s.state(t, namespace, from), from
		err := s.Replay(ctx, row, from, s.Revision(), func(e *Event) bool {
			if e.Entry.Object.GetNamespace() != namespace {
				return true
			}
			name := e.Entry.Object.GetName()
			_, there := state[name]
			require.Equal(t, there, e.Type != watch.Added, "%s %s", e.Type, name)
			require.Equal(t, there, e.Previous != nil)
			require.Greater(t, e.Revision, last)
			require.Equal(t, fmt.Sprint(e.Revision), e.Entry.Object.GetResourceVersion())
			last = e.Revision
			if state[name] = valueOf(e.Entry) + "@" + e.Entry.Object.GetResourceVersion(); e.Type == watch.Deleted {
				delete(state, name)
			}
			return true
		})
		require.NoError(t, err)
		require.Equal(t, s.state(t, namespace, s.Revision()), state)
	})
}

// Events leave no journal entry: what is different at the end is replayed, in the order of writing, and then what is gone.
func TestAReplayOfWhatLeavesNoEntry(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("events")
	event := func(name string, count int32) *corev1.Event {
		return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}, Count: count}
	}
	made := map[string]*Entry{}
	for _, name := range []string{"gone", "kept", "more"} {
		var err error
		made[name], err = s.Create(ctx, row, event(name, 1), nil)
		require.NoError(t, err)
	}
	from := made["more"].Revision
	again, err := s.Update(ctx, row, made["more"], event("more", 2), nil)
	require.NoError(t, err)
	_, err = s.Create(ctx, row, event("added", 1), nil)
	require.NoError(t, err)
	_, err = s.Update(ctx, row, again, event("more", 3), nil)
	require.NoError(t, err)
	require.NoError(t, s.Delete(ctx, row, made["gone"], nil))
	require.NoError(t, s.Fresh(ctx))
	var got []string
	require.NoError(t, s.Replay(ctx, row, from, s.Revision(), func(e *Event) bool {
		got = append(got, fmt.Sprintf("%s %s %d", e.Type, e.Entry.Object.GetName(), e.Entry.Object.(*corev1.Event).Count))
		return true
	}))
	require.Equal(t, "ADDED added 1, MODIFIED more 3, DELETED gone 1", strings.Join(got, ", "))
}

// The oldest revision is that of the last compaction, and a replay from before it is refused rather than cut short.
func TestTheOldestRevisionThatIsKept(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("configmaps")
	var made []int64
	for i := range 20 {
		e, err := s.Create(ctx, row, configMap("n", fmt.Sprintf("m%02d", i), ""), &journal.Entry{
			Verb: "create", Resource: "configmaps", Namespace: "n", Name: fmt.Sprintf("m%02d", i)})
		require.NoError(t, err)
		made = append(made, e.Revision)
	}
	require.NoError(t, s.Fresh(ctx))
	oldest, err := s.Oldest(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, oldest)
	require.NoError(t, s.forget(ctx, made[7]))
	oldest, err = s.Oldest(ctx)
	require.NoError(t, err)
	require.Equal(t, made[7], oldest)
	for revision, want := range map[int64]bool{made[6]: false, made[7]: true, made[19]: true} {
		kept, err := s.Kept(ctx, revision)
		require.NoError(t, err)
		require.Equal(t, want, kept)
	}
	count := 0
	each := func(*Event) bool { count++; return true }
	require.NoError(t, s.Replay(ctx, row, made[7], s.Revision(), each))
	require.Equal(t, 12, count)
	require.ErrorIs(t, s.Replay(ctx, row, made[6], s.Revision(), each), ErrGone)
	_, err = s.GetAt(ctx, row, "n", "m00", made[6])
	require.True(t, isCompacted(err))
	e, err := s.GetAt(ctx, row, "n", "m07", made[7])
	require.NoError(t, err)
	require.Equal(t, made[7], e.Revision)
	_, err = s.GetAt(ctx, row, "n", "m08", made[7])
	require.ErrorIs(t, err, ErrNotFound)
}
