package apiserver

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"minik.dev/apiserver/store"
)

var writesSeed = flag.Uint64("writes-seed", 0, "seed of the tests with random writes; 0 takes a new one")

// drawnSeed is the seed of one test with random writes.
func drawnSeed(t *testing.T) uint64 {
	seed := *writesSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed: -writes-seed %d", seed)
	return seed
}

// While several clients write, and when they have: a list that is served from the cache and says revision R holds exactly
// what etcd held at R, object by object, resourceVersions included; whether it is read whole or in pages.
func TestListsFromTheCacheAreWhatEtcdHolds(t *testing.T) {
	ts, seed := start(t), drawnSeed(t)
	ts.namespace(t, "shop")
	client, err := dynamic.NewForConfig(ts.config)
	require.NoError(t, err)
	written := make(chan struct{})
	go func() {
		defer close(written)
		ts.writeRandomly(t, seed, writables)
	}()
	lists := 0
	var wait sync.WaitGroup
	var mu sync.Mutex
	for i := range 2 {
		draw := rand.New(rand.NewPCG(seed, uint64(100+i)))
		wait.Go(func() {
			for !t.Failed() {
				kind := writables[draw.IntN(len(writables))]
				ts.compareList(t, client, kind, metav1.ListOptions{
					ResourceVersion: []string{"", "0"}[draw.IntN(2)], Limit: []int64{0, 0, 1, 3}[draw.IntN(4)],
				})
				mu.Lock()
				lists++
				mu.Unlock()
				select {
				case <-written:
					return
				default:
				}
			}
		})
	}
	wait.Wait()
	<-written
	t.Logf("%d lists while others wrote", lists)
	objects := 0
	for _, kind := range writables {
		objects += ts.compareList(t, client, kind, metav1.ListOptions{})
	}
	require.Positive(t, objects)
}

// compareList lists one kind, in pages where there is a limit, and compares with etcd at the list's revision. It returns how
// many objects there are.
func (ts *testServer) compareList(t *testing.T, client dynamic.Interface, kind writable, o metav1.ListOptions) int {
	var listed []map[string]any
	revision := ""
	for {
		page, err := kind.in(client).List(t.Context(), o)
		if err != nil {
			t.Errorf("listing %s: %v", kind.resource.Resource, err)
			return 0
		}
		if revision != "" && revision != page.GetResourceVersion() {
			t.Errorf("the pages are of revisions %s and %s", revision, page.GetResourceVersion())
		}
		revision = page.GetResourceVersion()
		for _, item := range page.Items {
			listed = append(listed, item.Object)
		}
		if o.Continue = page.GetContinue(); o.Continue == "" {
			break
		}
		o.ResourceVersion = ""
	}
	stored := ts.storedAt(t, kind, revision)
	for i := range max(len(stored), len(listed)) {
		want, got := jsonOf(t, stored, i), jsonOf(t, listed, i)
		if want != got {
			t.Errorf("in the list of %s at revision %s, limit %d, object %d is\n%s\nand in etcd\n%s", kind.resource.Resource, revision,
				o.Limit, i, got, want)
			break
		}
	}
	return len(stored)
}

// storedAt is what etcd itself holds at the revision, in the order of its keys.
func (ts *testServer) storedAt(t *testing.T, kind writable, revision string) []map[string]any {
	at, err := strconv.ParseInt(revision, 10, 64)
	if err != nil {
		t.Error(err)
		return nil
	}
	row, namespace := reader{ts.Server}.row(kind.resource.Group, kind.resource.Resource), "shop"
	if kind.cluster {
		namespace = ""
	}
	response, err := ts.etcd.Client.Get(t.Context(), store.Range(row, namespace), clientv3.WithPrefix(), clientv3.WithRev(at))
	if err != nil {
		t.Errorf("reading %s of revision %s: %v", kind.resource.Resource, revision, err)
		return nil
	}
	var stored []map[string]any
	for _, kv := range response.Kvs {
		u := unstructured.Unstructured{}
		if err := json.Unmarshal(kv.Value, &u.Object); err != nil {
			t.Error(err)
		}
		u.SetResourceVersion(strconv.FormatInt(kv.ModRevision, 10))
		stored = append(stored, u.Object)
	}
	return stored
}

// jsonOf is one of the objects as JSON, in which numbers have one form; "nothing" behind the last.
func jsonOf(t *testing.T, objects []map[string]any, i int) string {
	if i >= len(objects) {
		return "nothing"
	}
	b, err := json.Marshal(objects[i])
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// One object is read from the same cache: what a get shows is what etcd holds under its key at that resourceVersion.
func TestAGetShowsWhatEtcdHolds(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	made := ts.configMap(t, "shop", "a", "k", "v")
	response, body := ts.call(t, "GET", "/api/v1/namespaces/shop/configmaps/a", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	stored, err := ts.etcd.Client.Get(t.Context(), "/registry/configmaps/shop/a")
	require.NoError(t, err)
	require.Len(t, stored.Kvs, 1)
	require.Equal(t, made.ResourceVersion, strconv.FormatInt(stored.Kvs[0].ModRevision, 10))
	var want, got unstructured.Unstructured
	require.NoError(t, json.Unmarshal(stored.Kvs[0].Value, &want.Object))
	require.NoError(t, json.Unmarshal(body, &got.Object))
	want.SetResourceVersion(made.ResourceVersion)
	require.Equal(t, want.Object, got.Object)
}
