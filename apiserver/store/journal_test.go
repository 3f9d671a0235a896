package store

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// One entry for each write, with the write's own revision, read newest first over buckets and servers.
func TestTheJournalIsReadBackwardsOverBucketsAndServers(t *testing.T) {
	client := startEtcd(t)
	a, _ := startStore(t, client, "a", false)
	b, _ := startStore(t, client, "b", false)
	ctx, row := t.Context(), rowOf("configmaps")
	var wanted []string
	for i := range 30 {
		s := a
		if i%3 == 0 {
			s = b
		}
		s.journal.next.Store(int64(i/10) * bucketSize) // a bucket for each ten
		name := fmt.Sprintf("m%d", i)
		e, err := s.Create(ctx, row, configMap("n", name, ""), entryFor(name))
		require.NoError(t, err)
		wanted = append([]string{fmt.Sprintf("%d %s", e.Revision, name)}, wanted...)
	}
	read := func(from int64, n int) []string {
		var got []string
		require.NoError(t, a.Journal(ctx, from, func(r Recorded) bool {
			got = append(got, fmt.Sprintf("%d %s", r.Revision, r.Name))
			return len(got) < n
		}))
		return got
	}
	require.Equal(t, wanted, read(0, 100))
	require.Equal(t, wanted[:7], read(0, 7))
	var middle int64
	_, err := fmt.Sscan(wanted[12], &middle)
	require.NoError(t, err)
	require.Equal(t, wanted[12:], read(middle, 100))
	require.NoError(t, a.Fresh(ctx))
	rec, err := a.Entry(ctx, middle)
	require.NoError(t, err)
	require.Equal(t, wanted[12], fmt.Sprintf("%d %s", rec.Revision, rec.Name))
	_, err = a.Entry(ctx, a.Revision()+1)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = a.Entry(ctx, 1)
	require.ErrorIs(t, err, ErrNotFound)
}

// A write that was refused, and one that changes nothing, leave no entry; nor do Leases and Events.
func TestWhatLeavesNoEntry(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("configmaps")
	made, err := s.Create(ctx, row, configMap("n", "a", ""), entryFor("a"))
	require.NoError(t, err)
	_, err = s.Create(ctx, row, configMap("n", "a", ""), entryFor("refused"))
	require.ErrorIs(t, err, ErrExists)
	_, err = s.Update(ctx, row, made, configMap("n", "a", ""), entryFor("nothing"))
	require.NoError(t, err)
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "e"}}
	_, err = s.Create(ctx, rowOf("events"), event, entryFor("quiet"))
	require.NoError(t, err)
	var names []string
	require.NoError(t, s.Journal(ctx, 0, func(r Recorded) bool {
		names = append(names, r.Name)
		return true
	}))
	require.Equal(t, []string{"a"}, names)
}
