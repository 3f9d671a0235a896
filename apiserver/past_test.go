package apiserver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/apiserver/etcd"
)

// at is a client of the cluster as it was, as kubectl is one with --server https://…/at/<revision>.
func (ts *testServer) at(t testing.TB, revision string) kubernetes.Interface {
	t.Helper()
	config := rest.CopyConfig(ts.config)
	config.Host += "/at/" + revision
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

func (ts *testServer) setData(t testing.TB, name, value string) *corev1.ConfigMap {
	t.Helper()
	m, err := ts.client.CoreV1().ConfigMaps("shop").Patch(t.Context(), name, types.MergePatchType,
		[]byte(`{"data":{"v":"`+value+`"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	return m
}

// Each form of a list, read in the past, is byte for byte what it was when it was the present.
func TestAListOfThePastIsWhatItWas(t *testing.T) {
	stopped := clocktesting.NewFakeClock(time.Now()) // continue tokens say when they were issued
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) { o.Clock = stopped })
	ts.namespace(t, "shop")
	paths := []string{
		"/api/v1/namespaces/shop/configmaps", "/api/v1/configmaps?limit=2", "/api/v1/configmaps?fieldSelector=metadata.name%3Da",
		"/api/v1/configmaps?labelSelector=a%3Db", "/api/v1/namespaces/shop", "/apis/minik.dev/v1/revisions?limit=3",
		"/api/v1/serviceaccounts?pretty=1",
	}
	const meta = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	accepts := []string{"application/json", "application/vnd.kubernetes.protobuf,application/json", "application/yaml", meta}
	var read []func()
	for i := range 6 {
		switch i {
		case 3:
			ts.setData(t, "m1", "changed")
		case 4:
			require.NoError(t, ts.client.CoreV1().ConfigMaps("shop").Delete(t.Context(), "m0", metav1.DeleteOptions{}))
		default:
			ts.configMap(t, "shop", fmt.Sprintf("m%d", i))
		}
		require.NoError(t, ts.store.Fresh(t.Context()))
		revision := ts.store.Revision()
		for _, path := range paths {
			for _, accept := range accepts {
				_, now := ts.call(t, "GET", path, "", "Accept", accept)
				read = append(read, func() {
					response, then := ts.call(t, "GET", fmt.Sprintf("/at/%d%s", revision, path), "", "Accept", accept)
					require.Equal(t, 200, response.StatusCode, "%s", then)
					require.Equal(t, string(now), string(then), "%s as %s", path, accept)
				})
			}
		}
	}
	for _, again := range read {
		again()
	}
}

func TestReadsOfThePast(t *testing.T) {
	ts := start(t)
	ts.shop(t)
	ctx := t.Context()
	first := ts.configMap(t, "shop", "a").ResourceVersion
	ts.setData(t, "a", "new")
	ts.configMap(t, "shop", "b")
	require.NoError(t, ts.client.CoreV1().ConfigMaps("shop").Delete(ctx, "a", metav1.DeleteOptions{}))
	_, err := ts.client.AppsV1().Deployments("shop").Patch(ctx, "web", types.MergePatchType, []byte(`{"spec":{"replicas":5}}`),
		metav1.PatchOptions{})
	require.NoError(t, err)

	past := ts.at(t, first)
	m, err := past.CoreV1().ConfigMaps("shop").Get(ctx, "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Empty(t, m.Data["v"])
	require.Equal(t, first, m.ResourceVersion)
	_, err = past.CoreV1().ConfigMaps("shop").Get(ctx, "b", metav1.GetOptions{})
	require.ErrorContains(t, err, `configmaps "b" not found`)
	scale, err := past.AppsV1().Deployments("shop").GetScale(ctx, "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 3, scale.Spec.Replicas)
	response, body := ts.call(t, "GET", "/at/"+first+web+"/status", "")
	require.Equal(t, 200, response.StatusCode, "%s", body)
	require.Contains(t, string(body), `"replicas":3`)

	groups, resources, err := past.Discovery().ServerGroupsAndResources()
	require.NoError(t, err)
	require.NotEmpty(t, groups)
	require.NotEmpty(t, resources)
	version, err := past.Discovery().ServerVersion()
	require.NoError(t, err)
	require.Contains(t, version.GitVersion, "minik")
	_, err = past.Discovery().OpenAPISchema()
	require.NoError(t, err)
	for _, path := range []string{"/openapi/v3", "/api", "/apis/", "/apis/apps/v1", ""} {
		response, body := ts.call(t, "GET", "/at/"+first+path, "")
		require.Equal(t, 200, response.StatusCode, "%s: %s", path, body)
	}
}

// The journal of the past is what had been written by then.
func TestRevisionsOfThePast(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	a := ts.configMap(t, "shop", "a").ResourceVersion
	b := ts.configMap(t, "shop", "b").ResourceVersion
	response, body := ts.call(t, "GET", "/at/"+a+"/apis/minik.dev/v1/revisions?limit=1", "")
	require.Equal(t, 200, response.StatusCode)
	require.Contains(t, string(body), `"name":"`+a+`"`)
	for path, code := range map[string]int{a: 200, b: 404} {
		response, body := ts.call(t, "GET", "/at/"+a+"/apis/minik.dev/v1/revisions/"+path, "")
		require.Equal(t, code, response.StatusCode, "%s", body)
	}
}

// What can't be had of the past is refused in words that say what to do.
func TestRefusalsOfThePast(t *testing.T) {
	ts := start(t)
	ts.shop(t)
	for i := range 10 {
		ts.configMap(t, "shop", fmt.Sprintf("m%d", i))
	}
	require.NoError(t, ts.store.Fresh(t.Context()))
	newest := ts.store.Revision()
	_, err := ts.etcd.Client.Compact(t.Context(), newest-5)
	require.NoError(t, err)
	past := fmt.Sprintf("/at/%d", newest-2)
	leave := "leave " + past + " out of the server's address"
	for _, c := range []struct {
		method, path string
		code         int
		message      string
	}{
		{"POST", past + "/api/v1/namespaces/shop/configmaps", 405, "create is refused: revision " + past[4:] + " is past"},
		{"DELETE", past + web, 405, leave + " to write to the present"},
		{"PATCH", past + web + "/scale", 405, "patch is refused"},
		{"POST", past + "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405, "create is refused"},
		{"GET", past + "/api/v1/namespaces/shop/pods/web/log", 405, "log of the past is not kept"},
		{"GET", past + "/api/v1/namespaces/shop/pods/web/exec?command=x", 405, "exec of the past is not kept"},
		{"GET", past + "/api/v1/namespaces/shop/services/web/proxy/", 405, leave + " to ask the present"},
		{"GET", past + "/readyz", 400, "/readyz tells of the present alone"},
		{"GET", past + "/metrics", 400, leave},
		{"GET", past + "/nowhere", 404, "could not find the requested resource"},
		{"GET", "/at/x/api/v1/pods", 400, "is no revision"},
		{"GET", "/at/0/api/v1/pods", 400, "is no revision"},
		{"GET", fmt.Sprintf("/at/%d/api/v1/pods", newest-6), 410,
			fmt.Sprintf("revision %d is not kept any more: history reaches from revision %d to %d", newest-6, newest-5, newest)},
		{"GET", fmt.Sprintf("/at/%d/api/v1/pods", newest+1), 400,
			fmt.Sprintf("revision %d is still to come: history reaches from revision %d to %d", newest+1, newest-5, newest)},
		{"GET", fmt.Sprintf("%s/api/v1/pods?resourceVersion=%d", past, newest), 504, "Too large resource version"},
		{"GET", fmt.Sprintf("%s/api/v1/configmaps?watch=1&resourceVersion=%d", past, newest-6), 410, "too old"},
	} {
		response, body := ts.call(t, c.method, c.path, "{}")
		require.Equal(t, c.code, response.StatusCode, "%s %s: %s", c.method, c.path, body)
		require.Contains(t, status(t, body).Message, c.message, "%s %s", c.method, c.path)
	}
}

// Who may not read something today may not read it in the past.
func TestThePastIsUnderTodaysRights(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	revision := ts.configMap(t, "shop", "a").ResourceVersion
	for _, path := range []string{"/api/v1/namespaces/shop/secrets", "/api/v1/configmaps?watch=1"} {
		response, body := ts.call(t, "GET", "/at/"+revision+path, "", "Impersonate-User", "jane")
		require.Equal(t, http.StatusForbidden, response.StatusCode, "%s", body)
		require.Contains(t, status(t, body).Message, `User "jane" cannot `)
	}
}

// A watch of the past begins with what was there, replays what has happened since, and goes on with what happens.
func TestAWatchOfThePast(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	from := ts.configMap(t, "shop", "b").ResourceVersion
	ts.setData(t, "a", "1")
	ts.configMap(t, "shop", "c")
	require.NoError(t, ts.client.CoreV1().ConfigMaps("shop").Delete(t.Context(), "b", metav1.DeleteOptions{}))
	maps := ts.at(t, from).CoreV1().ConfigMaps("shop")
	follow := func(o metav1.ListOptions, want ...string) {
		t.Helper()
		w, err := maps.Watch(t.Context(), o)
		require.NoError(t, err)
		defer w.Stop()
		for _, event := range want {
			require.Equal(t, event, told(t, w))
		}
		name := fmt.Sprintf("now-%d", time.Now().UnixNano())
		live := ts.configMap(t, "shop", name)
		require.Equal(t, "ADDED "+live.Name, told(t, w), "what happens now")
		require.NoError(t, ts.client.CoreV1().ConfigMaps("shop").Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
	follow(metav1.ListOptions{FieldSelector: "metadata.name!=x"},
		"ADDED a", "ADDED b", "MODIFIED a", "ADDED c", "DELETED b")
	l, err := maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, from, l.ResourceVersion)
	w, err := maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: l.ResourceVersion})
	require.NoError(t, err)
	defer w.Stop()
	for _, event := range []string{"MODIFIED a", "ADDED c", "DELETED b"} {
		require.Equal(t, event, told(t, w))
	}
	yes := true
	w, err = maps.Watch(t.Context(), metav1.ListOptions{SendInitialEvents: &yes, AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan})
	require.NoError(t, err)
	defer w.Stop()
	for _, event := range []string{"ADDED a", "ADDED b", "BOOKMARK", "MODIFIED a", "ADDED c", "DELETED b"} {
		require.Equal(t, event, told(t, w))
	}
}

// Ages are those of then: an hour later, a pod that was just made is still shown as just made.
func TestAgesOfThePast(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) { o.Clock = clock })
	ts.namespace(t, "shop")
	made := ts.configMap(t, "shop", "a")
	clock.Step(time.Hour)
	const table = "application/json;as=Table;v=v1;g=meta.k8s.io"
	age := func(path string) any {
		_, body := ts.call(t, "GET", path+"/api/v1/namespaces/shop/configmaps/a", "", "Accept", table)
		var l metav1.Table
		require.NoError(t, json.Unmarshal(body, &l))
		return l.Rows[0].Cells[2]
	}
	require.Equal(t, "0s", age("/at/"+made.ResourceVersion))
	require.Equal(t, "60m", age(""))
	response, _ := ts.stream(t, "/at/"+made.ResourceVersion+"/api/v1/namespaces/shop/configmaps?watch=1", table)
	var frame struct{ Object metav1.Table }
	require.NoError(t, json.Unmarshal([]byte(response), &frame))
	require.Equal(t, "0s", frame.Object.Rows[0].Cells[2])
}

// stream is the first line of a watch.
func (ts *testServer) stream(t testing.TB, path, accept string) (string, error) {
	t.Helper()
	body, err := ts.client.CoreV1().RESTClient().Get().RequestURI(path).SetHeader("Accept", accept).Stream(t.Context())
	require.NoError(t, err)
	defer func() { _ = body.Close() }()
	return bufio.NewReader(body).ReadString('\n')
}
