package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/apiserver/auth"
)

// Who asks for too much is told to come again, and nobody else.
func TestLoadIsShared(t *testing.T) {
	l := newLoad(4, 8)
	var releases []func()
	for range 3 {
		release, ok := l.take("GET", auth.User{Name: "greedy"})
		require.True(t, ok)
		releases = append(releases, release)
	}
	_, ok := l.take("GET", auth.User{Name: "greedy"})
	require.False(t, ok, "the last quarter is for others")
	_, ok = l.take("POST", auth.User{Name: "greedy"})
	require.True(t, ok, "writes have places of their own")
	release, ok := l.take("HEAD", auth.User{Name: "modest"})
	require.True(t, ok)
	_, ok = l.take("GET", auth.User{Name: "third"})
	require.False(t, ok, "all are taken")
	release()
	releases[0]()
	_, ok = l.take("GET", auth.User{Name: "greedy"})
	require.True(t, ok, "what is given back is there again")
	for _, release := range releases[1:] {
		release()
	}
	require.NotContains(t, l.reads.of, "modest", "nobody is remembered who asks for nothing")
}

// The refusal is upstream's, and client-go waits and asks again.
func TestTooManyRequests(t *testing.T) {
	ts := start(t)
	ts.Server.load = newLoad(0, 0)
	response, body := ts.call(t, "GET", "/api/v1/namespaces", "")
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	require.Equal(t, "1", response.Header.Get("Retry-After"))
	s := status(t, body)
	require.Equal(t, metav1.StatusReasonTooManyRequests, s.Reason)
	require.EqualValues(t, 1, s.Details.RetryAfterSeconds)
}

// Profiles are for administrators.
func TestProfiles(t *testing.T) {
	ts := start(t)
	response, body := ts.call(t, "GET", "/debug/pprof/", "")
	require.Equal(t, 200, response.StatusCode)
	require.Contains(t, string(body), "heap")
	response, _ = ts.call(t, "GET", "/debug/pprof/heap", "", "Impersonate-User", "jane")
	require.Equal(t, http.StatusForbidden, response.StatusCode)
}

// mostPerWatcher bounds what an idle watcher costs, in bytes: its goroutine's stack, its request and its timers.
const mostPerWatcher = 40 << 10

// Memory stays bounded with many watchers that hear nothing, and is given back.
func TestIdleWatchers(t *testing.T) {
	const watchers = 10_000
	ts := start(t)
	before := memory()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range watchers {
		all.Go(func() {
			req := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/configmaps?watch=1&allowWatchBookmarks=true", nil)
			r := ts.parse(httptest.NewRecorder(), req)
			require.NoError(t, ts.watch(r))
		})
	}
	watching := func() int { return int(gauge(t, ts, "apiserver_longrunning_requests")) }
	require.Eventually(t, func() bool { return watching() == watchers }, time.Minute, 10*time.Millisecond)
	each := (memory() - before) / watchers
	t.Logf("an idle watcher costs %d bytes", each)
	require.Less(t, each, mostPerWatcher, fmt.Sprintf("%d watchers", watchers))
	cancel()
	all.Wait()
	require.Zero(t, watching())
}

// memory is what is in use: objects and stacks.
func memory() int {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc + stats.StackInuse)
}

// gauge sums up one of the server's metrics over its labels.
func gauge(t *testing.T, ts *testServer, name string) (sum float64) {
	families, err := ts.metrics.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
