package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"pgregory.net/rapid"

	"minik.dev/api"
	"minik.dev/apiserver/etcd"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
	"minik.dev/journal"
)

// startEtcd runs an etcd of the test's own.
func startEtcd(t testing.TB) *clientv3.Client {
	t.Helper()
	server, err := etcd.Start(t.Context(), etcd.Options{Dir: t.TempDir(), Volatile: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	return server.Client
}

// startStore runs a store until the test ends or stop is called.
func startStore(t testing.TB, client *clientv3.Client, server string, sole bool) (s *Store, stop func()) {
	t.Helper()
	var rows []*resources.Resource
	for _, row := range builtin.All() {
		if row.Stored() {
			rows = append(rows, row)
		}
	}
	s = New(rows, Options{
		Defragment: func(context.Context) error { return nil },
		Client:     client, SoleWriter: func() bool { return sole }, Server: server, Clock: clock.RealClock{}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return s, stop
}

func rowOf(plural string) *resources.Resource {
	for _, row := range builtin.All() {
		if row.Plural == plural {
			return row
		}
	}
	panic("no row " + plural)
}

func configMap(namespace, name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string]string{"v": value}}
}

func valueOf(e *Entry) string { return e.Object.(*corev1.ConfigMap).Data["v"] }

func entryFor(name string) *journal.Entry {
	return &journal.Entry{Actor: api.Actor{User: "test"}, Verb: "create", Resource: "configmaps", Name: name}
}

func TestNothingRunsAfterRun(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Run("", func(t *testing.T) { // etcd and its client end with the inner test
		s, stop := startStore(t, startEtcd(t), "a", true)
		_, err := s.Create(t.Context(), rowOf("configmaps"), configMap("n", "a", ""), entryFor("a"))
		require.NoError(t, err)
		stop()
	})
	goleak.VerifyNone(t, ignore)
}

func TestAnObjectIsWrittenReadAndRemoved(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("configmaps")

	first, err := s.Create(ctx, row, configMap("n", "a", "1"), nil)
	require.NoError(t, err)
	require.Equal(t, "/registry/configmaps/n/a", first.Key)
	require.Equal(t, strconv.FormatInt(first.Revision, 10), first.Object.GetResourceVersion())
	_, err = s.Create(ctx, row, configMap("n", "a", "1"), nil)
	require.ErrorIs(t, err, ErrExists)

	require.NoError(t, s.Fresh(ctx))
	got, at := s.Get(row, "n", "a")
	require.Equal(t, first.Object, got.Object)
	require.GreaterOrEqual(t, at, first.Revision)

	same, err := s.Update(ctx, row, first, configMap("n", "a", "1"), nil)
	require.NoError(t, err)
	require.Same(t, first, same, "nothing changed, so nothing is written")

	second, err := s.Update(ctx, row, first, configMap("n", "a", "2"), nil)
	require.NoError(t, err)
	require.Equal(t, first.Revision+1, second.Revision)
	_, err = s.Update(ctx, row, first, configMap("n", "a", "3"), nil)
	var conflict *ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, second.Revision, conflict.Current.Revision)
	require.Equal(t, "2", valueOf(conflict.Current))
	require.ErrorAs(t, s.Delete(ctx, row, first, nil), &conflict)

	require.NoError(t, s.Delete(ctx, row, second, nil))
	require.ErrorIs(t, s.Delete(ctx, row, second, nil), ErrNotFound)
	_, err = s.Update(ctx, row, second, configMap("n", "a", "4"), nil)
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, s.Fresh(ctx))
	got, _ = s.Get(row, "n", "a")
	require.Nil(t, got)
	s.written.Range(func(key, _ any) bool {
		t.Errorf("%s was written long ago and is still remembered", key)
		return true
	})
}

// A watch that fell behind is caught up in pieces, whose headers carry etcd's newest revision: what counts is the last event.
func TestReachedIsTheLastEventAndNotTheHeader(t *testing.T) {
	header := &etcdserverpb.ResponseHeader{Revision: 5000}
	event := func(revision int64) *clientv3.Event {
		return &clientv3.Event{Kv: &mvccpb.KeyValue{ModRevision: revision}}
	}
	require.EqualValues(t, 1001, reached(clientv3.WatchResponse{
		Header: header, Events: []*clientv3.Event{event(2), event(1001)},
	}))
	require.EqualValues(t, 5000, reached(clientv3.WatchResponse{Header: header}), "etcd says that there is no more")
	require.EqualValues(t, 0, reached(clientv3.WatchResponse{Header: header, Created: true}))
}

// Many writers count in one object. Each increment that was acknowledged is there at the end.
func TestNoUpdateIsLost(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("configmaps")
	_, err := s.Create(ctx, row, configMap("n", "counter", "0"), nil)
	require.NoError(t, err)
	const writers, each = 8, 25
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for range each {
				increment(t, s, row)
			}
		})
	}
	wait.Wait()
	require.NoError(t, s.Fresh(ctx))
	end, _ := s.Get(row, "n", "counter")
	require.Equal(t, strconv.Itoa(writers*each), valueOf(end))
}

func increment(t *testing.T, s *Store, row *resources.Resource) {
	_ = s.Fresh(t.Context()) // an old state costs a conflict, and nothing else
	current, _ := s.Get(row, "n", "counter")
	for {
		n, _ := strconv.Atoi(valueOf(current)) // this test writes nothing but numbers
		_, err := s.Update(t.Context(), row, current, configMap("n", "counter", strconv.Itoa(n+1)), nil)
		var conflict *ConflictError
		if errors.As(err, &conflict) {
			current = conflict.Current
			continue
		}
		if err != nil {
			t.Error(err)
		}
		return
	}
}

// Whatever several writers do at the same time: what etcd holds, what the cache holds, and what a watch from the beginning
// adds up to are the same.
func TestCacheEtcdAndWatchNeverDiffer(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("configmaps")
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		namespace := fmt.Sprintf("round-%d", round)
		scripts := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 11), 1, 15), 1, 4).Draw(rt, "one script a writer")
		start := s.Revision()
		w, err := s.Watch(row, start, "")
		require.NoError(rt, err)
		defer w.Stop()
		var wait sync.WaitGroup
		for i, script := range scripts {
			wait.Go(func() {
				for j, step := range script {
					randomWrite(t, s, namespace, step, fmt.Sprintf("%d.%d", i, j))
				}
			})
		}
		wait.Wait()
		require.NoError(rt, s.Fresh(ctx))

		inEtcd := map[string]string{}
		require.NoError(rt, s.ListAt(ctx, row, namespace, s.Revision(), "", func(e *Entry) bool {
			inEtcd[e.Key] = valueOf(e) + "@" + e.Object.GetResourceVersion()
			return true
		}))
		inCache := map[string]string{}
		s.Snapshot(row).Ascend(Range(row, namespace), "", func(e *Entry) bool {
			inCache[e.Key] = valueOf(e) + "@" + e.Object.GetResourceVersion()
			return true
		})
		require.Equal(rt, inEtcd, inCache)

		replayed, last := map[string]string{}, start
		events, _, err := w.Take()
		require.NoError(rt, err)
		for _, e := range events {
			require.Greater(rt, e.Revision, last, "in order, each once")
			last = e.Revision
			_, known := replayed[e.Entry.Key]
			switch e.Type {
			case watch.Added:
				require.False(rt, known, "added twice")
			case watch.Modified, watch.Deleted:
				require.True(rt, known, "%s before it was added", e.Type)
			}
			require.Equal(rt, strconv.FormatInt(e.Revision, 10), e.Entry.Object.GetResourceVersion())
			if e.Type == watch.Deleted {
				delete(replayed, e.Entry.Key)
				continue
			}
			replayed[e.Entry.Key] = valueOf(e.Entry) + "@" + e.Entry.Object.GetResourceVersion()
		}
		require.Equal(rt, inEtcd, replayed)
	})
}

// randomWrite creates, updates or deletes one of four objects, whatever is there.
func randomWrite(t *testing.T, s *Store, namespace string, step int, value string) {
	ctx, row := t.Context(), rowOf("configmaps")
	name := string(rune('a' + step%4))
	current, _ := s.Get(row, namespace, name)
	var err error
	switch {
	case current == nil:
		_, err = s.Create(ctx, row, configMap(namespace, name, value), nil)
	case step/4 == 2:
		err = s.Delete(ctx, row, current, nil)
	default:
		_, err = s.Update(ctx, row, current, configMap(namespace, name, value), nil)
	}
	var conflict *ConflictError
	if err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, ErrNotFound) && !errors.As(err, &conflict) {
		t.Error(err)
	}
}

// Two servers on one etcd: what one has acknowledged the other shows to a read that begins afterwards.
func TestTwoServersSeeEachOthersWritesAtOnce(t *testing.T) {
	client := startEtcd(t)
	a, _ := startStore(t, client, "a", false)
	b, _ := startStore(t, client, "b", false)
	ctx, row := t.Context(), rowOf("configmaps")
	stores := []*Store{a, b}
	current, err := a.Create(ctx, row, configMap("n", "a", "0"), nil)
	require.NoError(t, err)
	for i := range 100 {
		writer, reader := stores[i%2], stores[(i+1)%2]
		current, err = writer.Update(ctx, row, current, configMap("n", "a", strconv.Itoa(i+1)), nil)
		require.NoError(t, err)
		require.NoError(t, reader.Fresh(ctx))
		got, _ := reader.Get(row, "n", "a")
		require.Equal(t, current.Object, got.Object)
	}
	// A key that is none of minik's moves etcd's revision as well, and nobody waits for it in vain.
	_, err = client.Put(ctx, "/elsewhere", "x")
	require.NoError(t, err)
	require.NoError(t, a.Fresh(ctx))
	_, err = client.Put(ctx, "elsewhere", "x")
	require.NoError(t, err)
	require.NoError(t, b.Fresh(ctx))
}

// An object that can't be read hurts nobody else.
func TestDamagedObjectsArePassedOver(t *testing.T) {
	client := startEtcd(t)
	ctx, row := t.Context(), rowOf("configmaps")
	_, err := client.Put(ctx, "/registry/configmaps/n/before", "{")
	require.NoError(t, err)
	s, _ := startStore(t, client, "a", false)
	_, err = client.Put(ctx, "/registry/configmaps/n/after", "[]")
	require.NoError(t, err)
	_, err = client.Put(ctx, "/registry/unknown/x", "{}")
	require.NoError(t, err)
	_, err = s.Create(ctx, row, configMap("n", "good", "1"), nil)
	require.NoError(t, err)
	require.NoError(t, s.Fresh(ctx))
	require.Equal(t, 1, s.Snapshot(row).Len())
}

func service(name string, claims ...string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}}
	s.Spec.ClusterIPs = claims
	return s
}

func TestClaimsAreHeldByOneAndGivenBack(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("services")
	a, err := s.Create(ctx, row, service("a", "10.0.0.1"), nil)
	require.NoError(t, err)
	_, err = s.Create(ctx, row, service("b", "10.0.0.2", "10.0.0.1"), nil)
	var taken *ClaimedError
	require.ErrorAs(t, err, &taken)
	require.Equal(t, ClaimedError{Claim: "clusterip/10.0.0.1", Holder: "/registry/services/n/a"}, *taken)

	b, err := s.Create(ctx, row, service("b", "10.0.0.2"), nil) // the refused one left no claim behind
	require.NoError(t, err)
	_, err = s.Update(ctx, row, b, service("b", "10.0.0.1"), nil)
	require.ErrorAs(t, err, &taken)
	a, err = s.Update(ctx, row, a, service("a", "10.0.0.3"), nil)
	require.NoError(t, err)
	b, err = s.Update(ctx, row, b, service("b", "10.0.0.1"), nil)
	require.NoError(t, err)
	require.NoError(t, s.Delete(ctx, row, a, nil))
	_, err = s.Create(ctx, row, service("c", "10.0.0.3", "10.0.0.2"), nil)
	require.NoError(t, err)

	held, err := s.Client.Get(ctx, claims, clientv3.WithPrefix())
	require.NoError(t, err)
	holders := map[string]string{}
	for _, kv := range held.Kvs {
		holders[string(kv.Key)] = string(kv.Value)
	}
	require.Equal(t, map[string]string{
		claims + "clusterip/10.0.0.1": b.Key,
		claims + "clusterip/10.0.0.2": "/registry/services/n/c",
		claims + "clusterip/10.0.0.3": "/registry/services/n/c",
	}, holders)
}

// Whoever wins, each address has one holder, and the holder is the service that names it.
func TestClaimsUnderConcurrency(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("services")
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 20 {
				name, ip := fmt.Sprintf("s%d", i), fmt.Sprintf("10.0.0.%d", (i*7+j*3)%10)
				_ = s.Fresh(ctx) // an old state costs a conflict
				current, _ := s.Get(row, "n", name)
				switch { // refusals are what is tested
				case current == nil:
					_, _ = s.Create(ctx, row, service(name, ip), nil)
				case j%5 == 4:
					_ = s.Delete(ctx, row, current, nil)
				default:
					_, _ = s.Update(ctx, row, current, service(name, ip), nil)
				}
			}
		})
	}
	wait.Wait()
	require.NoError(t, s.Fresh(ctx))
	wanted, holders := map[string]string{}, map[string]string{}
	s.Snapshot(row).Ascend(prefix(row), "", func(e *Entry) bool {
		for _, claim := range row.Claims(e.Object) {
			require.NotContains(t, wanted, claims+claim, "two services have %s", claim)
			wanted[claims+claim] = e.Key
		}
		return true
	})
	held, err := s.Client.Get(ctx, claims, clientv3.WithPrefix())
	require.NoError(t, err)
	for _, kv := range held.Kvs {
		holders[string(kv.Key)] = string(kv.Value)
	}
	require.Equal(t, wanted, holders)
}

// Every moment of a random history can be listed as it was, whole or from any key on.
func TestReadsAtAPastRevision(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("configmaps")
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		namespace := fmt.Sprintf("past-%d", round)
		model, moments := map[string]string{}, map[int64]map[string]string{}
		for i, step := range rapid.SliceOfN(rapid.IntRange(0, 11), 1, 20).Draw(rt, "steps") {
			require.NoError(rt, s.Fresh(ctx))
			randomWrite(t, s, namespace, step, strconv.Itoa(i))
			require.NoError(rt, s.Fresh(ctx))
			name := string(rune('a' + step%4))
			if current, _ := s.Get(row, namespace, name); current == nil {
				delete(model, name)
			} else {
				model[name] = strconv.Itoa(i)
			}
			moments[s.Revision()] = maps.Clone(model)
		}
		for revision, model := range moments {
			start := rapid.SampledFrom([]string{"", "a", "b", "bb", "d", "e"}).Draw(rt, "start")
			found, wanted := map[string]string{}, map[string]string{}
			require.NoError(rt, s.ListAt(ctx, row, namespace, revision, Key(row, namespace, start), func(e *Entry) bool {
				found[e.Object.GetName()] = valueOf(e)
				return true
			}))
			for name, value := range model {
				if name >= start {
					wanted[name] = value
				}
			}
			require.Equal(rt, wanted, found)
			count, err := s.CountAt(ctx, row, namespace, revision, Key(row, namespace, start))
			require.NoError(rt, err)
			require.EqualValues(rt, len(wanted), count)
		}
	})
}

// More objects than one page of etcd's answer.
func TestListsOfThePastComeInPages(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("leases")
	var last int64
	for i := range 2*pageSize + 1 {
		lease := row.New()
		lease.SetNamespace("n")
		lease.SetName(fmt.Sprintf("l%04d", i))
		e, err := s.Create(ctx, row, lease, nil)
		require.NoError(t, err)
		last = e.Revision
	}
	n := 0
	require.NoError(t, s.ListAt(ctx, row, "", last, "", func(e *Entry) bool {
		require.Equal(t, fmt.Sprintf("l%04d", n), e.Object.GetName())
		n++
		return true
	}))
	require.Equal(t, 2*pageSize+1, n)
}

func TestAReadWaitsForItsRevisionAndNotForEver(t *testing.T) {
	s, stop := startStore(t, startEtcd(t), "a", true)
	ctx, row := t.Context(), rowOf("configmaps")
	waited := make(chan error, 1)
	next := s.Revision() + 1
	go func() { waited <- s.AtLeast(ctx, next) }()
	_, err := s.Create(ctx, row, configMap("n", "a", ""), nil)
	require.NoError(t, err)
	require.NoError(t, <-waited)

	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.AtLeast(short, next+1_000_000), ErrFuture)
	go func() { waited <- s.AtLeast(ctx, next+1_000_000) }()
	stop()
	require.ErrorIs(t, <-waited, ErrFuture, "a store that stopped lets go")
}

// Whoever wrote an object of an awaited kind finds it in the cache at once.
func TestAwaitedWritesAreSeenWhenTheyAreAnswered(t *testing.T) {
	s, _ := startStore(t, startEtcd(t), "a", true)
	row := rowOf("priorityclasses")
	for i := range 200 {
		class := row.New()
		class.SetName(fmt.Sprint("c", i))
		entry, err := s.Create(t.Context(), row, class, nil)
		require.NoError(t, err)
		seen, _ := s.Get(row, "", class.GetName())
		require.NotNil(t, seen)
		require.Equal(t, entry.Revision, seen.Revision)
	}
}
