package apiserver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

// told waits for the next event and renders it: "ADDED a", "BOOKMARK", "ERROR 410 Expired".
func told(t testing.TB, w watch.Interface) string {
	t.Helper()
	select {
	case e, open := <-w.ResultChan():
		if !open {
			return "END"
		}
		switch obj := e.Object.(type) {
		case *metav1.Status:
			return fmt.Sprintf("%s %d %s", e.Type, obj.Code, obj.Reason)
		case metav1.Object:
			if e.Type == watch.Bookmark {
				return "BOOKMARK"
			}
			return fmt.Sprintf("%s %s", e.Type, obj.GetName())
		}
		return string(e.Type)
	case <-time.After(20 * time.Second):
		t.Fatal("no event came")
		return ""
	}
}

func (ts *testServer) watchMaps(t testing.TB, o metav1.ListOptions) watch.Interface {
	t.Helper()
	w, err := ts.client.CoreV1().ConfigMaps("shop").Watch(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	return w
}

// The documented starts of a watch (Kubernetes API Concepts, "Resource versions", semantics for watch): unset is "get state
// and start at most recent", "0" is "get state and start at any", anything else is "start at exact".
func TestWhereAWatchStarts(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	a := ts.configMap(t, "shop", "a")
	ts.configMap(t, "shop", "b")
	for _, from := range []string{"", "0"} {
		w := ts.watchMaps(t, metav1.ListOptions{ResourceVersion: from})
		require.Equal(t, "ADDED a", told(t, w))
		require.Equal(t, "ADDED b", told(t, w))
	}
	w := ts.watchMaps(t, metav1.ListOptions{ResourceVersion: a.ResourceVersion})
	require.Equal(t, "ADDED b", told(t, w), "what came after it, and not itself")
}

// Whoever watches goes on where it was, however often the server starts anew: nobody has to list again for what history has.
func TestAWatchGoesOnAfterRestarts(t *testing.T) {
	dir := t.TempDir()
	ts := startOn(t, dir)
	ts.namespace(t, "shop")
	last := ts.configMap(t, "shop", "first").ResourceVersion
	for i := range 3 {
		missed := fmt.Sprintf("missed-%d", i)
		ts.configMap(t, "shop", missed) // nobody watches
		require.NoError(t, ts.client.CoreV1().ConfigMaps("shop").Delete(t.Context(), missed, metav1.DeleteOptions{}))
		ts.stop()
		ts = startOn(t, dir)
		w := ts.watchMaps(t, metav1.ListOptions{ResourceVersion: last})
		require.Equal(t, "ADDED "+missed, told(t, w))
		require.Equal(t, "DELETED "+missed, told(t, w))
		now := ts.configMap(t, "shop", fmt.Sprintf("now-%d", i))
		require.Equal(t, "ADDED "+now.Name, told(t, w), "and then what happens now")
		last = now.ResourceVersion
	}
}

// A revision that is compacted can't be gone on from.
func TestAWatchFromARevisionThatIsGone(t *testing.T) {
	dir := t.TempDir()
	ts := startOn(t, dir)
	ts.namespace(t, "shop")
	a := ts.configMap(t, "shop", "a")
	b, err := strconv.ParseInt(ts.configMap(t, "shop", "b").ResourceVersion, 10, 64)
	require.NoError(t, err)
	_, err = ts.etcd.Client.Compact(t.Context(), b)
	require.NoError(t, err)
	ts.stop()
	ts = startOn(t, dir) // its window begins where it starts
	w, err := ts.client.CoreV1().ConfigMaps("shop").Watch(t.Context(), metav1.ListOptions{ResourceVersion: a.ResourceVersion})
	if err == nil { // upstream answers either with 410 or with an ERROR event; clients take both
		require.Equal(t, "ERROR 410 Expired", told(t, w))
		return
	}
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
}

// An object that comes into the selection is added, one that leaves it is deleted: with its last selected state, at the
// revision of the change.
func TestObjectsMoveInAndOutOfTheSelection(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	w := ts.watchMaps(t, metav1.ListOptions{LabelSelector: "tier in (front,edge)"})
	label := func(tier string) *corev1.ConfigMap {
		m, err := maps.Patch(t.Context(), "a", types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{"tier":%q}}}`, tier),
			metav1.PatchOptions{})
		require.NoError(t, err)
		return m
	}
	ts.configMap(t, "shop", "a")
	label("front")
	require.Equal(t, "ADDED a", told(t, w))
	edge := label("edge")
	require.Equal(t, "MODIFIED a", told(t, w))
	back := label("back")
	gone := <-w.ResultChan()
	require.Equal(t, watch.Deleted, gone.Type)
	shown := gone.Object.(*corev1.ConfigMap)
	require.Equal(t, back.ResourceVersion, shown.ResourceVersion)
	require.Equal(t, edge.Labels, shown.Labels)
	label("other")
	label("front")
	require.Equal(t, "ADDED a", told(t, w))
	require.NoError(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{}))
	require.Equal(t, "DELETED a", told(t, w))
}

func TestAWatchOfOneObjectOrOneNamespace(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.namespace(t, "bank")
	one := ts.watchMaps(t, metav1.ListOptions{FieldSelector: "metadata.name=b"})
	all, err := ts.client.CoreV1().ConfigMaps("").Watch(t.Context(), metav1.ListOptions{LabelSelector: "!system"})
	require.NoError(t, err)
	defer all.Stop()
	ns := ts.watchMaps(t, metav1.ListOptions{})
	ts.configMap(t, "bank", "b")
	ts.configMap(t, "shop", "a")
	ts.configMap(t, "shop", "b")
	require.Equal(t, "ADDED b", told(t, one))
	for _, want := range []string{"ADDED b", "ADDED a", "ADDED b"} {
		require.Equal(t, want, told(t, all))
	}
	require.Equal(t, "ADDED a", told(t, ns))
	_, err = ts.client.CoreV1().ConfigMaps("shop").Watch(t.Context(), metav1.ListOptions{FieldSelector: "data.k=v"})
	require.True(t, apierrors.IsBadRequest(err), "%v", err)
	require.ErrorContains(t, err, "not a known field selector")
}

// A kubelet's watch: the pods of its node, by the indexed field.
func TestAWatchOfANodesPods(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	w, err := ts.client.CoreV1().Pods("").Watch(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=node-1"})
	require.NoError(t, err)
	defer w.Stop()
	for _, name := range []string{"a", "b"} {
		_, err := pods.Create(t.Context(), pod(name), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	bind := func(name, node string) {
		require.NoError(t, pods.Bind(t.Context(), &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Target: corev1.ObjectReference{Kind: "Node", Name: node},
		}, metav1.CreateOptions{}))
	}
	bind("a", "node-2")
	bind("b", "node-1")
	require.Equal(t, "ADDED b", told(t, w))
	require.NoError(t, pods.Delete(t.Context(), "b", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
	require.Equal(t, "DELETED b", told(t, w))
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "image"}}},
	}
}

// A watch list (KEP-3157): the state as ADDED events, then a bookmark that says so, then what comes.
func TestInitialEvents(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	last := ts.configMap(t, "shop", "b")
	w := ts.watchMaps(t, metav1.ListOptions{
		SendInitialEvents: ptr.To(true), AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	require.Equal(t, "ADDED a", told(t, w))
	require.Equal(t, "ADDED b", told(t, w))
	e := <-w.ResultChan()
	require.Equal(t, watch.Bookmark, e.Type)
	mark := e.Object.(*corev1.ConfigMap)
	require.Equal(t, "true", mark.Annotations[metav1.InitialEventsAnnotationKey])
	require.Equal(t, last.ResourceVersion, mark.ResourceVersion)
	ts.configMap(t, "shop", "c")
	require.Equal(t, "ADDED c", told(t, w))

	w = ts.watchMaps(t, metav1.ListOptions{
		SendInitialEvents: ptr.To(false), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	ts.configMap(t, "shop", "d")
	require.Equal(t, "ADDED d", told(t, w), "no state")

	for _, wrong := range []metav1.ListOptions{
		{SendInitialEvents: ptr.To(true), AllowWatchBookmarks: true},
		{ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan},
	} {
		_, err := ts.client.CoreV1().ConfigMaps("shop").Watch(t.Context(), wrong)
		require.True(t, apierrors.IsInvalid(err), "%v", err)
	}
}

func TestAWatchEndsWhenItsTimeIsUp(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	w := ts.watchMaps(t, metav1.ListOptions{TimeoutSeconds: ptr.To[int64](1)})
	require.Equal(t, "END", told(t, w))
}

func TestTheServersEndEndsItsWatches(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	w := ts.watchMaps(t, metav1.ListOptions{})
	began := time.Now()
	ts.stop()
	require.Equal(t, "END", told(t, w))
	require.Less(t, time.Since(began), 10*time.Second)
}

// Rows of a watched table: the columns come once.
func TestAWatchedTable(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	client, err := rest.HTTPClientFor(ts.config)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), "GET",
		ts.config.Host+"/api/v1/namespaces/shop/configmaps?watch=true&pretty=true", nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
	response, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	for i, name := range []string{"a", "b"} {
		ts.configMap(t, "shop", name)
		require.True(t, lines.Scan())
		var event struct {
			Type   string
			Object metav1.Table
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &event), "%s", lines.Bytes())
		require.Equal(t, "ADDED", event.Type)
		require.Equal(t, name, event.Object.Rows[0].Cells[0])
		require.Equal(t, i == 0, len(event.Object.ColumnDefinitions) > 0)
	}
}

// Clients come and go while others write: each sees every change after the revision it resumed from, once.
func TestResumedWatchesOverHTTP(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	first := ts.configMap(t, "shop", "counter", "n", "0")
	const writes = 150
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() {
		for i := range writes {
			_, err := ts.client.CoreV1().ConfigMaps("shop").Patch(t.Context(), "counter", types.MergePatchType,
				fmt.Appendf(nil, `{"data":{"n":"%d"}}`, i+1), metav1.PatchOptions{})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	at, next := first.ResourceVersion, 1
	for next <= writes {
		w := ts.watchMaps(t, metav1.ListOptions{ResourceVersion: at})
		for range 1 + next%7 {
			if next > writes {
				break
			}
			e := <-w.ResultChan()
			m := e.Object.(*corev1.ConfigMap)
			require.Equal(t, strconv.Itoa(next), m.Data["n"])
			at = m.ResourceVersion
			next++
		}
		w.Stop()
	}
}

// A watcher that was cut off by the store ends with an ERROR event of 410, so that its client lists again.
func TestAWatchThatIsCutOffEndsWith410(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	w := ts.watchMaps(t, metav1.ListOptions{})
	other := ts.watchMaps(t, metav1.ListOptions{})
	ts.configMap(t, "shop", "a")
	require.Equal(t, "ADDED a", told(t, w))
	require.Equal(t, "ADDED a", told(t, other))
	require.Equal(t, "ERROR 410 Expired", cutOff(t, ts))
	ts.configMap(t, "shop", "b")
	require.Equal(t, "ADDED b", told(t, w))
	require.Equal(t, "ADDED b", told(t, other))
}

// cutOff serves a watch whose watcher is too far behind, and returns how it ends.
func cutOff(t *testing.T, ts *testServer) string {
	row := reader{ts.Server}.row("", "configmaps")
	from, _ := ts.store.WatchNow(row, "")
	defer from.Stop()
	const object = `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"bank"}}`
	var revision int64
	for range 8193 { // the bound of the store's queue, and one
		put, err := ts.etcd.Client.Put(t.Context(), "/registry/configmaps/bank/a", object)
		require.NoError(t, err)
		revision = put.Header.Revision
	}
	require.NoError(t, ts.store.AtLeast(t.Context(), revision))
	out := httptest.NewRecorder()
	r := ts.parse(out, httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/configmaps?watch=1", nil))
	q, err := ts.listQuery(r)
	require.NoError(t, err)
	w := &watcher{s: ts.Server, r: r, q: q, m: media{Type: mediaJSON}, out: chunks{out, http.NewResponseController(out)}}
	w.follow(from)
	var event struct {
		Type   string
		Object metav1.Status
	}
	require.NoError(t, json.Unmarshal(out.Body.Bytes(), &event), "%s", out.Body)
	return fmt.Sprintf("%s %d %s", event.Type, event.Object.Code, event.Object.Reason)
}
