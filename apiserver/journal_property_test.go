package apiserver

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/journal"
)

// However several clients write at once, objects of all kinds, with claims, statuses and finalizers: each revision that
// changed an object other than a Lease or an Event has exactly one entry, which names that object and what was done to it;
// and no entry is without its object.
func TestEveryRevisionHasOneEntry(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ts := start(t)
	ts.namespace(t, "shop")
	ts.writeRandomly(t, seed, writables)

	newest, err := ts.Etcd.Client.Get(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(t, err)
	changes, entries := map[int64][]*clientv3.Event{}, map[int64][]journal.Entry{}
	history := ts.Etcd.Client.Watch(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithRev(1))
	for last := int64(1); last < newest.Header.Revision; {
		response, ok := <-history
		require.True(t, ok, "etcd's history ends at revision %d, not at %d", last, newest.Header.Revision)
		require.NoError(t, response.Err())
		for _, event := range response.Events {
			revision, key := event.Kv.ModRevision, string(event.Kv.Key)
			last = revision
			switch {
			case strings.HasPrefix(key, "/minik/journal/"):
				var entry journal.Entry
				require.NoError(t, json.Unmarshal(event.Kv.Value, &entry), "revision %d", revision)
				entries[revision] = append(entries[revision], entry)
			case strings.HasPrefix(key, "/registry/leases/"), strings.HasPrefix(key, "/registry/events/"):
			case strings.HasPrefix(key, "/registry/"):
				changes[revision] = append(changes[revision], event)
			}
		}
	}
	require.Greater(t, len(changes), randomWriters*randomWrites/4, "most writes succeed")
	for revision, events := range changes {
		require.Len(t, events, 1, "revision %d changed more than one object", revision)
		require.Len(t, entries[revision], 1, "revision %d changed %s", revision, events[0].Kv.Key)
		entry := entries[revision][0]
		key := "/" + entry.Resource + "/" + entry.Name
		if entry.Namespace != "" {
			key = "/" + entry.Resource + "/" + entry.Namespace + "/" + entry.Name
		}
		require.True(t, strings.HasSuffix(string(events[0].Kv.Key), key), "revision %d changed %s, and its entry tells of %s",
			revision, events[0].Kv.Key, key)
		require.Equal(t, events[0].IsCreate(), entry.Verb == "create" && entry.Subresource == "", "revision %d: %v", revision, entry)
		// A deletion of what has a finalizer or a grace period is an update at first.
		require.True(t, events[0].Type != clientv3.EventTypeDelete || entry.Verb == "delete" ||
			entry.Verb == "patch" || entry.Verb == "update", "revision %d: %v", revision, entry)
		require.WithinDuration(t, time.Now(), entry.Time, time.Hour)
	}
	for revision, found := range entries {
		require.Contains(t, changes, revision, "the entries %v have no object", found)
	}
}
