package etcd

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A watch of the embedded etcd brings every change once and in order: those of the past, those of now, and those that came
// while nobody received. Ended, it closes; of a revision that is compacted it says so.
func TestTheEmbeddedEtcdIsWatched(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	etcd, err := Start(ctx, Options{Dir: t.TempDir(), Volatile: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, etcd.Stop()) })
	put := func(i int) int64 {
		r, err := etcd.Client.Put(t.Context(), fmt.Sprintf("/a/%d", i%7), fmt.Sprint(i))
		require.NoError(t, err)
		return r.Header.Revision
	}
	first := put(0)
	for i := 1; i < 500; i++ {
		put(i)
	}
	changes := etcd.Client.Watch(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(first))
	next := 0
	receive := func(upTo int) {
		for next < upTo {
			response, ok := <-changes
			require.True(t, ok)
			require.NoError(t, response.Err())
			for _, e := range response.Events {
				require.Equal(t, fmt.Sprint(next), string(e.Kv.Value))
				require.Equal(t, first+int64(next), e.Kv.ModRevision)
				next++
			}
		}
	}
	receive(500)
	for i := 500; i < 2000; i++ { // far more than etcd keeps for a watch that does not receive
		put(i)
	}
	receive(2000)
	_, err = etcd.Client.Compact(t.Context(), first+100)
	require.NoError(t, err)
	gone := <-etcd.Client.Watch(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(first+5))
	require.ErrorIs(t, gone.Err(), rpctypes.ErrCompacted)
	require.Equal(t, first+100, gone.CompactRevision)
	cancel()
	for range changes { // it ends
		t.Fatal("nothing has changed")
	}
}
