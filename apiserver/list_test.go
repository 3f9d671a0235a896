package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The table of "Kubernetes API Concepts", "Resource versions", semantics for get and list: each combination of
// resourceVersion, resourceVersionMatch, limit and continue.
func TestTheMeaningsOfResourceVersion(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	a := ts.configMap(t, "shop", "a")
	ts.configMap(t, "shop", "b")
	c := ts.configMap(t, "shop", "c")
	old, newest := a.ResourceVersion, c.ResourceVersion
	for _, x := range []struct {
		query string
		names string // "" is a refusal
		at    string // the list's resourceVersion
	}{
		{"", "a b c", newest},                                                       // most recent
		{"limit=2", "a b…", newest},                                                 // most recent
		{"resourceVersion=0", "a b c", newest},                                      // any
		{"resourceVersion=0&limit=2", "a b…", newest},                               // any
		{"resourceVersion=0&resourceVersionMatch=NotOlderThan", "a b c", newest},    // any
		{"resourceVersion=$old", "a b c", newest},                                   // not older than
		{"resourceVersion=$old&limit=2", "a", old},                                  // exact (legacy)
		{"resourceVersion=$old&resourceVersionMatch=Exact", "a", old},               // exact
		{"resourceVersion=$old&resourceVersionMatch=Exact&limit=1", "a", old},       // exact
		{"resourceVersion=$new&resourceVersionMatch=Exact&limit=1", "a…", newest},   // exact
		{"resourceVersion=$old&resourceVersionMatch=NotOlderThan", "a b c", newest}, // not older than
		{"resourceVersion=$old&resourceVersionMatch=NotOlderThan&limit=2", "a b…", newest},
		{"resourceVersionMatch=Exact", "", ""},                   // forbidden without a version
		{"resourceVersionMatch=NotOlderThan", "", ""},            // as above
		{"resourceVersion=0&resourceVersionMatch=Exact", "", ""}, // there is no revision 0
		{"resourceVersion=$old&resourceVersionMatch=Newest", "", ""},
		{"resourceVersion=-1", "", ""},
		{"resourceVersion=x", "", ""},
		{"limit=-1", "", ""},
		{"limit=x", "", ""},
		{"continue=x", "", ""},
		{"continue=$token&resourceVersion=$old", "", ""},
		{"continue=$token&resourceVersion=0&limit=5", "b c", newest},
		{"labelSelector=%20=", "", ""},
		{"fieldSelector=%20x", "", ""},
		{"timeoutSeconds=x", "", ""},
	} {
		token := continuation{Revision: revisionNumber(t, newest), Start: "/registry/configmaps/shop/b", Issued: time.Now().Unix()}
		query := strings.NewReplacer("$old", old, "$new", newest, "$token", token.String()).Replace(x.query)
		response, body := ts.call(t, "GET", "/api/v1/namespaces/shop/configmaps?"+query, "")
		if x.names == "" {
			require.Contains(t, []int{400, 422}, response.StatusCode, "%s: %s", x.query, body)
			status(t, body)
			continue
		}
		require.Equal(t, http.StatusOK, response.StatusCode, "%s: %s", x.query, body)
		var l corev1.ConfigMapList
		require.NoError(t, json.Unmarshal(body, &l))
		require.Equal(t, x.names, names(l), x.query)
		require.Equal(t, x.at, l.ResourceVersion, x.query)
	}

	// A get knows resourceVersion alone: not older than.
	got, err := ts.client.CoreV1().ConfigMaps("shop").Get(t.Context(), "c", metav1.GetOptions{ResourceVersion: old})
	require.NoError(t, err)
	require.Equal(t, c, got)
}

func revisionNumber(t testing.TB, s string) int64 {
	var n int64
	_, err := fmt.Sscan(s, &n)
	require.NoError(t, err)
	return n
}

// names renders a page: "a b…" goes on.
func names(l corev1.ConfigMapList) string {
	var all []string
	for _, m := range l.Items {
		all = append(all, m.Name)
	}
	out := strings.Join(all, " ")
	if l.Continue != "" {
		out += "…"
	}
	return out
}

// Pages belong to one revision, whatever is written between them; together they are the list of that revision.
func TestPagesAreConsistentWhileWritesGoOn(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	for i := range 25 {
		ts.configMap(t, "shop", fmt.Sprintf("m%02d", i), "v", "old")
	}
	want, err := maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var got []corev1.ConfigMap
	o := metav1.ListOptions{Limit: 4}
	for page := 0; ; page++ {
		l, err := maps.List(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, want.ResourceVersion, l.ResourceVersion)
		got = append(got, l.Items...)
		if l.Continue == "" {
			require.Nil(t, l.RemainingItemCount)
			break
		}
		require.EqualValues(t, 25-len(got), *l.RemainingItemCount)
		require.NoError(t, maps.Delete(t.Context(), fmt.Sprintf("m%02d", 24-page), metav1.DeleteOptions{}))
		ts.configMap(t, "shop", fmt.Sprintf("n%02d", page))
		o.Continue = l.Continue
	}
	require.Equal(t, want.Items, got)
}

// With a selector nobody knows how many are left (as documented of remainingItemCount), and pages are filled all the same.
func TestPagesWithASelector(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	for i := range 9 {
		m := configMap(fmt.Sprintf("m%d", i))
		m.Labels = map[string]string{"odd": fmt.Sprint(i % 2)}
		_, err := maps.Create(t.Context(), m, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	first, err := maps.List(t.Context(), metav1.ListOptions{Limit: 3, LabelSelector: "odd=1"})
	require.NoError(t, err)
	require.Equal(t, "m1 m3 m5…", names(*first))
	require.Nil(t, first.RemainingItemCount)
	second, err := maps.List(t.Context(), metav1.ListOptions{Limit: 3, LabelSelector: "odd=1", Continue: first.Continue})
	require.NoError(t, err)
	require.Equal(t, "m7", names(*second))
	named, err := maps.List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=m4,metadata.namespace!=bank"})
	require.NoError(t, err)
	require.Equal(t, "m4", names(*named))
}

// Tokens are opaque, but whoever makes one up sees nothing that the list does not show.
func TestContinueTokens(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.namespace(t, "bank")
	ts.configMap(t, "bank", "z")
	a := ts.configMap(t, "shop", "a")
	at, now := revisionNumber(t, a.ResourceVersion), time.Now().Unix()
	for _, c := range []struct {
		name  string
		token continuation
		code  int
	}{
		{"good", continuation{at, "/registry/configmaps/shop/a", now}, 200},
		{"expired", continuation{at, "/registry/configmaps/shop/a", now - 301}, 410},
		{"of another namespace", continuation{at, "/registry/configmaps/bank/a", now}, 400},
		{"of another resource", continuation{at, "/registry/clusterroles/", now}, 400},
		{"from nowhere", continuation{at, "", now}, 400},
		{"without a revision", continuation{0, "/registry/configmaps/shop/a", now}, 400},
		{"of the future", continuation{at + 1_000_000, "/registry/configmaps/shop/a", now}, 504},
	} {
		response, body := ts.call(t, "GET", "/api/v1/namespaces/shop/configmaps?continue="+url.QueryEscape(c.token.String()), "")
		require.Equal(t, c.code, response.StatusCode, "%s: %s", c.name, body)
		if c.code == 410 {
			require.Equal(t, metav1.StatusReasonExpired, status(t, body).Reason)
		}
	}
	_, err := ts.etcd.Client.Compact(t.Context(), at)
	require.NoError(t, err)
	ts.configMap(t, "shop", "b")
	old := continuation{at - 1, "/registry/configmaps/shop/a\x00", now}
	_, err = ts.client.CoreV1().ConfigMaps("shop").List(t.Context(), metav1.ListOptions{Continue: old.String()})
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)

	// The refusal brings a token for the rest of the list, as it is by now.
	rest, err := ts.client.CoreV1().ConfigMaps("shop").List(t.Context(), metav1.ListOptions{
		Continue: err.(apierrors.APIStatus).Status().Continue})
	require.NoError(t, err)
	require.Equal(t, "b", names(*rest))
	require.Greater(t, revisionNumber(t, rest.ResourceVersion), at)
}

func TestParseContinue(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	c := continuation{Revision: 7, Start: "/registry/pods/a/ü", Issued: now.Unix()}
	back, err := parseContinue(c.String(), now.Add(continueFor))
	require.NoError(t, err)
	require.Equal(t, c, *back)
	_, err = parseContinue(c.String(), now.Add(continueFor+time.Second))
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	for _, wrong := range []string{"?", "e30", "bnVsbA", "W10"} {
		_, err = parseContinue(wrong, now)
		require.True(t, apierrors.IsBadRequest(err), "%v", err)
	}
}

// A read that begins after a write was acknowledged sees it, whoever reads and however; so does a change that is judged by
// what is there.
func TestReadsSeeWhatWasAcknowledged(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	ts.configMap(t, "shop", "a", "n", "")
	var wait sync.WaitGroup
	defer wait.Wait()
	for w := range 3 { // others keep the store busy
		wait.Go(func() {
			for i := range 60 {
				ts.configMap(t, "shop", fmt.Sprintf("other-%d-%d", w, i))
			}
		})
	}
	for i := range 60 {
		// Back and forth: a no-op judged by an old state would be taken for done.
		value := fmt.Sprint(i % 2)
		patched, err := maps.Patch(t.Context(), "a", types.MergePatchType, fmt.Appendf(nil, `{"data":{"n":%q}}`, value),
			metav1.PatchOptions{})
		require.NoError(t, err)
		got, err := maps.Get(t.Context(), "a", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, value, got.Data["n"])
		require.Equal(t, patched.ResourceVersion, got.ResourceVersion)
		_, err = maps.Patch(t.Context(), "a", types.JSONPatchType,
			fmt.Appendf(nil, `[{"op":"test","path":"/data/n","value":%q}]`, value), metav1.PatchOptions{})
		require.NoError(t, err)
	}
}
