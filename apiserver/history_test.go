package apiserver

import (
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/apiserver/etcd"
	"minik.dev/apiserver/store"
)

// lookedAt is a clock that counts how often the compactor waits for its ticker: at first, and each time that it has looked and
// has done what was to be done.
type lookedAt struct {
	*clocktesting.FakeClock
	looks atomic.Int64
}

type countedTicker struct {
	clock.Ticker
	waits func()
}

func (c *lookedAt) NewTicker(d time.Duration) clock.Ticker {
	ticker := c.FakeClock.NewTicker(d)
	caller, _, _, _ := runtime.Caller(1) // others have a ticker of a minute too
	if !strings.HasSuffix(runtime.FuncForPC(caller).Name(), ".(*Store).compactor") {
		return ticker
	}
	return countedTicker{ticker, func() { c.looks.Add(1) }}
}

func (t countedTicker) C() <-chan time.Time {
	t.waits()
	return t.Ticker.C()
}

// History goes by itself once it is older than its bound, and a list that is under way does not lose its place: whoever
// reads on within a token's life sees the rest as it was when the list began.
func TestHistoryIsCompactedBehindRunningLists(t *testing.T) {
	clock := &lookedAt{FakeClock: clocktesting.NewFakeClock(time.Now())}
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) {
		o.Clock, o.History = clock, store.History{Age: store.KeepAtLeast}
	})
	oldest := func() int64 {
		usage, err := ts.store.Usage(t.Context())
		require.NoError(t, err)
		return usage.Oldest
	}
	pass := func(minutes int) {
		for range minutes {
			require.Eventually(t, func() bool { return clock.looks.Load() > 0 }, time.Minute, time.Millisecond)
			before := clock.looks.Load()
			clock.Step(time.Minute)
			require.Eventually(t, func() bool { return clock.looks.Load() > before }, time.Minute, time.Millisecond,
				"the compactor has looked, and waits for the next minute")
		}
	}
	ts.namespace(t, "shop")
	for _, name := range []string{"a", "b", "c"} {
		ts.configMap(t, "shop", name)
	}
	maps := ts.client.CoreV1().ConfigMaps("shop")
	for began := oldest(); oldest() == began; {
		pass(1) // it ends, or the test runs out of time
	}

	first, err := maps.List(t.Context(), metav1.ListOptions{Limit: 1})
	require.NoError(t, err)
	revision, err := strconv.ParseInt(first.ResourceVersion, 10, 64)
	require.NoError(t, err)
	for range 4 { // others go on writing meanwhile
		ts.setData(t, "c", clock.Now().String())
		pass(1)
	}
	clock.Step(58 * time.Second) // a token counts in seconds
	second, err := maps.List(t.Context(), metav1.ListOptions{Limit: 5, Continue: first.Continue})
	require.NoError(t, err)
	require.Equal(t, first.ResourceVersion, second.ResourceVersion)
	require.Equal(t, "c", second.Items[len(second.Items)-1].Name)
	require.Empty(t, second.Items[len(second.Items)-1].Data["v"], "as it was when the list began")

	for oldest() <= revision {
		pass(1)
	}
	_, err = maps.List(t.Context(), metav1.ListOptions{Limit: 5, Continue: first.Continue})
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	status := apierrors.APIStatus(nil)
	require.ErrorAs(t, err, &status)
	rest, err := maps.List(t.Context(), metav1.ListOptions{Continue: status.Status().Continue})
	require.NoError(t, err, "the token that comes with the refusal reads on in the present")
	require.NotEmpty(t, rest.Items)
	_, body := ts.call(t, "GET", "/metrics", "")
	for _, name := range []string{"apiserver_storage_size_bytes", "minik_history_oldest_revision", "minik_history_age_seconds"} {
		require.True(t, strings.Contains(string(body), "\n"+name+" "), "/metrics has %s", name)
	}
}
