package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"minik.dev/api"
	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
	"minik.dev/journal"
)

// revisions lists the journal, newest first.
func (ts *testServer) revisions(t testing.TB, query string) api.RevisionList {
	t.Helper()
	response, body := ts.call(t, "GET", "/apis/minik.dev/v1/revisions?"+query, "")
	require.Equal(t, 200, response.StatusCode, "%s", body)
	var l api.RevisionList
	require.NoError(t, json.Unmarshal(body, &l))
	return l
}

// wrote renders an entry: who, what, why, because of what.
func wrote(r api.Revision) string {
	out := fmt.Sprintf("%s %s %s/%s", r.Actor.Component, r.Verb, r.Resource, r.Name)
	if r.Subresource != "" {
		out += "/" + r.Subresource
	}
	if r.Reason != "" {
		out += ": " + r.Reason
	}
	if len(r.Causes) > 0 {
		out += " because of " + strings.Join(r.Causes, ",")
	}
	return out
}

// Every write leaves one entry, with the write's own revision; Leases and Events leave none.
func TestEveryWriteLeavesOneEntry(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	client, err := kubernetes.NewForConfig(journal.Config(ts.config, "tester"))
	require.NoError(t, err)
	before := ts.revisions(t, "limit=1").Items[0].ResourceVersion
	ctx := journal.WithReason(journal.WithCause(t.Context(), journal.Cause{Revisions: []int64{7, 3}}), "wants 3 pöds, has 2")
	pods, maps := client.CoreV1().Pods("shop"), client.CoreV1().ConfigMaps("shop")
	_, err = pods.Create(ctx, pod("a"), metav1.CreateOptions{})
	require.NoError(t, err)
	timer := journal.WithCause(t.Context(), journal.Cause{Timer: true})
	require.NoError(t, pods.Bind(timer, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, Target: corev1.ObjectReference{Name: "node-1"},
	}, metav1.CreateOptions{}))
	p, err := pods.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	p.Status.Phase = corev1.PodRunning
	_, err = pods.UpdateStatus(t.Context(), p, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = pods.UpdateStatus(t.Context(), configless(p), metav1.UpdateOptions{}) // changes nothing
	require.NoError(t, err)
	_, err = pods.Patch(t.Context(), "a", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	_, err = pods.Create(t.Context(), pod("a"), metav1.CreateOptions{}) // refused
	require.Error(t, err)
	require.NoError(t, pods.Delete(t.Context(), "a", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
	_, err = maps.Create(t.Context(), configMap("dry"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(t, err)
	event, err := client.CoreV1().Events("shop").Create(t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "e"}, InvolvedObject: corev1.ObjectReference{Namespace: "shop"}, Type: "Normal",
	}, metav1.CreateOptions{})
	require.NoError(t, err)

	var got []string
	for _, r := range ts.revisions(t, "").Items {
		if r.ObjectMeta.Name == before {
			break
		}
		require.Equal(t, r.ObjectMeta.Name, r.ResourceVersion)
		require.Equal(t, "kubernetes-admin", r.Actor.User)
		require.Equal(t, "shop", r.Namespace)
		require.NotEqual(t, event.ResourceVersion, r.ResourceVersion)
		got = append(got, wrote(r))
	}
	require.Equal(t, []string{
		"tester delete pods/a",
		"tester patch pods/a",
		"tester update pods/a/status",
		"tester create pods/a/binding because of timer",
		"tester create pods/a: wants 3 pöds, has 2 because of 7,3",
	}, got)
}

// configless is p again, as a client would send it that knows no resourceVersion.
func configless(p *corev1.Pod) *corev1.Pod {
	p = p.DeepCopy()
	p.ResourceVersion = ""
	return p
}

func TestRevisionsByNumberAndInPages(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	made := ts.configMap(t, "shop", "a")
	for i := range 10 {
		ts.configMap(t, "shop", fmt.Sprintf("m%d", i))
	}
	client, err := api.NewClient(ts.config)
	require.NoError(t, err)
	var one api.Revision
	require.NoError(t, client.Get().Resource("revisions").Name(made.ResourceVersion).Do(t.Context()).Into(&one))
	require.Equal(t, made.ResourceVersion, one.ObjectMeta.Name)
	require.Equal(t, "create configmaps/a", one.Verb+" "+one.Resource+"/"+one.Name)

	all := ts.revisions(t, "")
	var paged []api.Revision
	query := "limit=4"
	for {
		page := ts.revisions(t, query)
		require.LessOrEqual(t, len(page.Items), 4)
		paged = append(paged, page.Items...)
		if page.Continue == "" {
			break
		}
		ts.configMap(t, "shop", fmt.Sprintf("between-%d", len(paged))) // belongs to no page
		query = "limit=4&continue=" + page.Continue
	}
	require.Equal(t, all.Items, paged)

	for path, code := range map[string]int{
		"/99999999": 404, "/x": 404, "/0": 404, "/-1": 404, "/1": 404, "?continue=" + continuation{1, "x", 1 << 40}.String(): 400,
		"?fieldSelector=metadata.name=" + made.ResourceVersion: 200,
	} {
		response, body := ts.call(t, "GET", "/apis/minik.dev/v1/revisions"+path, "")
		require.Equal(t, code, response.StatusCode, "%s: %s", path, body)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		response, body := ts.call(t, method, "/apis/minik.dev/v1/revisions/1", "{}")
		require.Equal(t, 405, response.StatusCode, "%s: %s", method, body)
	}
	_, err = ts.etcd.Client.Compact(context.WithoutCancel(t.Context()), revisionNumber(t, made.ResourceVersion)+3)
	require.NoError(t, err)
	response, body := ts.call(t, "GET", "/apis/minik.dev/v1/revisions/"+made.ResourceVersion, "")
	require.Equal(t, 410, response.StatusCode, "%s", body)
	kept := ts.revisions(t, "")
	require.Less(t, len(kept.Items), len(all.Items)+3)
	require.NotEmpty(t, kept.Items)
}

// What clients say of themselves is kept with every write, so it is bounded.
func TestWhatAnActorSaysOfItselfIsBounded(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	response, body := ts.call(t, "POST", "/api/v1/namespaces/shop/configmaps", `{"metadata":{"name":"a"}}`,
		"Kubectl-Command", strings.Repeat("x", 10_000), "Kubectl-Session", "s1", "User-Agent", strings.Repeat("ü", 1000)+"/v1")
	require.Equal(t, 201, response.StatusCode, "%s", body)
	r := ts.revisions(t, "limit=1").Items[0]
	require.Equal(t, strings.Repeat("x", maxActor), r.Actor.Command)
	require.Equal(t, "s1", r.Actor.Session)
	require.LessOrEqual(t, len(r.Actor.Component), maxActor)
}

// Revisions are chosen by what was written, by who wrote, and by each of their causes.
func TestRevisionsByFields(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	client, err := kubernetes.NewForConfig(journal.Config(ts.config, "tester"))
	require.NoError(t, err)
	ctx := journal.WithCause(t.Context(), journal.Cause{Revisions: []int64{7, 3}})
	for _, name := range []string{"a", "b"} {
		_, err := client.CoreV1().Pods("shop").Create(ctx, pod(name), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	ts.configMap(t, "shop", "a")
	for selector, want := range map[string]string{
		"apiGroup=,resource=pods,namespace=shop,name=a":        "tester create pods/a because of 7,3",
		"apiGroup=apps,resource=pods,namespace=shop,name=a":    "",
		"apiGroup=,resource=pods,namespace=shop,name=a,verb=x": "",
		"resource=pods,namespace=shop,name=a":                  "tester create pods/a because of 7,3",
		"resource=configmaps,name=a":                           "apiserver.test create configmaps/a",
		"actor.component=tester,name!=a":                       "tester create pods/b because of 7,3",
		"cause=3,name=b":                                       "tester create pods/b because of 7,3",
		"cause=3,cause=3,name=b":                               "tester create pods/b because of 7,3",
		"cause=4":                                              "",
		"verb=delete":                                          "",
	} {
		var got []string
		for _, r := range ts.revisions(t, "fieldSelector="+url.QueryEscape(selector)).Items {
			got = append(got, wrote(r))
		}
		require.Equal(t, want, strings.Join(got, ", "), selector)
	}
	for selector, message := range map[string]string{
		"cause!=3":        `field label "cause" has several values: it can be selected by = only`,
		"cause=3,cause=7": `field label "cause" can be selected once`,
		"reason=x":        "field label not supported: reason",
	} {
		response, body := ts.call(t, "GET", "/apis/minik.dev/v1/revisions?fieldSelector="+url.QueryEscape(selector), "")
		require.Equal(t, 400, response.StatusCode)
		require.Equal(t, message, status(t, body).Message)
	}
}

// Who may read revisions and not the object is shown nothing of what was done to it.
func TestRevisionsOfWhatMayNotBeRead(t *testing.T) {
	ts := start(t)
	revision := func(user auth.User) bool {
		return ts.mayRead(&request{user: user}, &api.Revision{Resource: "secrets", Namespace: "shop", Name: "a"})
	}
	require.True(t, revision(auth.User{Name: "root", Groups: []string{auth.Masters}}))
	require.False(t, revision(auth.User{Name: "jane", Groups: []string{auth.Authenticated}}))
	q := &query{row: ts.Server.revisions, all: true, readable: func(resources.Object) bool { return false }}
	require.False(t, q.matches(store.Unwritten(ts.Server.revisions, &api.Revision{})))
}
