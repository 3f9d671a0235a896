package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/api"
	"minik.dev/apiserver/etcd"
	"minik.dev/journal"
)

var (
	crashRounds = flag.Int("crash-rounds", 12, "how often the crash test kills the API server")
	crashSeed   = flag.Uint64("crash-seed", 0, "seed of the crash test; 0 takes a new one")
)

// How much load there is when the API server is killed, and for how long.
const (
	crashWriters = 16
	crashNames   = 5 // objects of each writer
	crashAtMost  = 400 * time.Millisecond
)

// TestCrash kills the API server under load, again and again, and compares what is there afterwards with what was
// acknowledged: nothing of that is lost, what was not acknowledged was written as a whole or not at all, and the journal
// names every write, and no other.
func TestCrash(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the same again: go test ./cluster -run TestCrash -crash-seed %d", seed)
		}
	})
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t)
	writers := make([]*crashWriter, crashWriters)
	for i := range writers {
		writers[i] = &crashWriter{id: i, random: rand.New(rand.NewPCG(seed, uint64(i+1))), objects: map[string]crashed{}}
	}
	acknowledged := 0
	for range *crashRounds {
		server := s.run(t, "apiserver")
		client := s.client(t)
		for _, w := range writers {
			w.compare(t, client)
		}
		var load sync.WaitGroup
		for _, w := range writers {
			load.Go(func() { w.write(t, client) })
		}
		<-time.After(time.Duration(random.Int64N(int64(crashAtMost))))
		server.kill(t)
		load.Wait()
		for _, w := range writers {
			acknowledged += w.acknowledged
			w.acknowledged = 0
		}
		if t.Failed() {
			return
		}
	}
	server := s.run(t, "apiserver")
	client := s.client(t)
	for _, w := range writers {
		w.compare(t, client)
	}
	served := servedRevisions(t, s)
	server.kill(t)
	t.Logf("%d rounds, %d acknowledged writes", *crashRounds, acknowledged)
	require.Positive(t, acknowledged)
	compareJournal(t, s.dir, served)
}

// crashWriter writes its own ConfigMaps, one request after the other, and knows what each must be.
type crashWriter struct {
	id           int
	random       *rand.Rand
	objects      map[string]crashed
	acknowledged int
	sequence     int
}

// crashed is what one object must be after a crash.
type crashed struct {
	value   string // "" is none
	version string // the acknowledged resourceVersion
	maybe   *string
}

// write writes until the server is gone.
func (w *crashWriter) write(t *testing.T, client kubernetes.Interface) {
	for {
		name := fmt.Sprintf("w%d-%d", w.id, w.random.IntN(crashNames))
		w.sequence++
		next := fmt.Sprintf("%d.%d", w.id, w.sequence)
		was := w.objects[name]
		if was.value != "" && w.random.IntN(3) == 0 {
			next = ""
		}
		version, err := w.request(t.Context(), client, name, was.value, next)
		if status := apierrors.APIStatus(nil); errors.As(err, &status) {
			t.Errorf("writing %q to %s, which was %q: %v", next, name, was.value, err)
			return
		}
		if err != nil {
			was.maybe = &next // it may have been written, or not
			w.objects[name] = was
			return
		}
		w.acknowledged++
		w.objects[name] = crashed{value: next, version: version}
	}
}

// request makes the one write that leads from one value to the next.
func (w *crashWriter) request(ctx context.Context, client kubernetes.Interface, name, was, next string) (string, error) {
	maps := client.CoreV1().ConfigMaps(metav1.NamespaceDefault)
	object := crashObject(name, next, w.random.IntN(4096))
	var err error
	switch {
	case next == "":
		return "", maps.Delete(ctx, name, metav1.DeleteOptions{})
	case was == "":
		object, err = maps.Create(ctx, object, metav1.CreateOptions{})
	default:
		object, err = maps.Update(ctx, object, metav1.UpdateOptions{})
	}
	if err != nil {
		return "", err
	}
	return object.ResourceVersion, nil
}

// crashObject says its value at its beginning and at its end.
func crashObject(name, value string, size int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Data:       map[string]string{"a": value, "m": strings.Repeat("x", size), "z": value},
	}
}

// compare checks the writer's objects against what the server has, and goes on from there.
func (w *crashWriter) compare(t *testing.T, client kubernetes.Interface) {
	for i := range crashNames {
		name := fmt.Sprintf("w%d-%d", w.id, i)
		want := w.objects[name]
		object, err := client.CoreV1().ConfigMaps(metav1.NamespaceDefault).Get(t.Context(), name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			require.NoError(t, err)
		}
		is := object.Data["a"]
		require.Equal(t, is, object.Data["z"], "%s is half written", name)
		switch {
		case want.maybe != nil && is == *want.maybe:
		case is != want.value:
			require.Failf(t, "an acknowledged write is lost", "%s is %q and not %q", name, is, want.value)
		case is != "":
			require.Equal(t, want.version, object.ResourceVersion, "%s was written by nobody", name)
		}
		w.objects[name] = crashed{value: is, version: object.ResourceVersion}
	}
}

// servedRevisions are the entries of the journal as the API serves them.
func servedRevisions(t *testing.T, s *site) map[int64]api.Revision {
	client, err := api.NewClient(s.config(t))
	require.NoError(t, err)
	out := map[int64]api.Revision{}
	for next := ""; ; {
		var list api.RevisionList
		get := client.Get().Resource("revisions").Param("limit", "500").Param("continue", next)
		require.NoError(t, get.Do(t.Context()).Into(&list))
		for _, item := range list.Items {
			revision, err := strconv.ParseInt(item.ObjectMeta.Name, 10, 64)
			require.NoError(t, err)
			require.NotContains(t, out, revision, "a revision is listed twice")
			out[revision] = item
		}
		if next = list.Continue; next == "" {
			break
		}
	}
	return out
}

// compareJournal goes through etcd's whole history. Every revision that changed an object, other than a Lease or an Event,
// has one entry, in the same revision; and every entry has its object.
func compareJournal(t *testing.T, dir string, served map[int64]api.Revision) {
	etcd, err := etcd.Start(t.Context(), etcd.Options{
		Dir: filepath.Join(dir, "etcd"), LogFile: filepath.Join(dir, "logs", "etcd.log"),
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, etcd.Stop()) }()
	newest, err := etcd.Client.Get(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	changes := map[int64][]*clientv3.Event{}
	entries := map[int64]journal.Entry{}
	last := int64(1)
	history := etcd.Client.Watch(ctx, "/", clientv3.WithPrefix(), clientv3.WithRev(2))
	for last < newest.Header.Revision {
		response, ok := <-history
		require.True(t, ok, "etcd's history ends at revision %d, not at %d", last, newest.Header.Revision)
		require.NoError(t, response.Err())
		for _, event := range response.Events {
			revision, key := event.Kv.ModRevision, string(event.Kv.Key)
			last = revision
			switch {
			case strings.HasPrefix(key, "/minik/journal/"):
				require.NotContains(t, entries, revision, "two entries for one revision")
				var entry journal.Entry
				require.NoError(t, json.Unmarshal(event.Kv.Value, &entry), "the entry of revision %d", revision)
				entries[revision] = entry
			case strings.HasPrefix(key, "/registry/leases/"), strings.HasPrefix(key, "/registry/events/"):
			case strings.HasPrefix(key, "/registry/"):
				changes[revision] = append(changes[revision], event)
			}
		}
	}
	for revision, events := range changes {
		require.Contains(t, entries, revision, "revision %d changed %s and has no entry", revision, events[0].Kv.Key)
		require.Len(t, events, 1, "revision %d changed more than one object", revision)
	}
	for revision, entry := range entries {
		require.Contains(t, changes, revision, "the entry %v of revision %d has no object", entry, revision)
		compareEntry(t, revision, entry, changes[revision][0], served)
	}
	require.Len(t, served, len(entries), "the API lists other entries than etcd has")
}

// compareEntry checks that the entry tells of this very change.
func compareEntry(t *testing.T, revision int64, entry journal.Entry, event *clientv3.Event, served map[int64]api.Revision) {
	key := "/registry/" + entry.Resource + "/"
	if entry.Namespace != "" {
		key += entry.Namespace + "/"
	}
	require.Equal(t, key+entry.Name, string(event.Kv.Key), "the entry of revision %d", revision)
	require.Equal(t, entry.Verb == "delete", event.Type == clientv3.EventTypeDelete, "revision %d: %v", revision, entry)
	require.Equal(t, entry.Verb == "create", event.IsCreate(), "revision %d: %v", revision, entry)
	require.Equal(t, entry.Name, served[revision].Name, "revision %d as the API serves it", revision)
	if event.Type == clientv3.EventTypeDelete || entry.Resource != "configmaps" {
		return
	}
	var object corev1.ConfigMap
	require.NoError(t, json.Unmarshal(event.Kv.Value, &object), "the object of revision %d", revision)
	require.Equal(t, object.Data["a"], object.Data["z"], "the object of revision %d is half written", revision)
}
