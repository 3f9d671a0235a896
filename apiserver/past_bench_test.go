package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/apiserver/etcd"
	"minik.dev/apiserver/store"
	"minik.dev/journal"
)

// BenchmarkHistory keeps 200,000 revisions of 2,000 objects, and reads them. The bounds: any revision opens in under 50 ms, a
// page of history in under 100 ms, everything is replayed in seconds, and the server starts less than a second later.
func BenchmarkHistory(b *testing.B) {
	const objects, versions, writers = 2000, 100, 32
	dir := b.TempDir()
	ts := startOn(b, dir)
	ts.namespace(b, "bench")
	row := reader{ts.Server}.row("", "configmaps")
	var group errgroup.Group
	for w := range writers {
		group.Go(func() error {
			for i := w; i < objects; i += writers {
				if err := ts.versions(row.Plural, fmt.Sprintf("m%04d", i), versions); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(b, group.Wait())
	caughtUp := func() bool { return ts.store.Fresh(context.Background()) == nil }
	require.Eventually(b, caughtUp, time.Minute, time.Second)
	newest := ts.store.Revision()
	get := func(b *testing.B, path string) {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{
			CommonName: "kubernetes-admin", Organization: []string{"system:masters"}}}}}}
		answer := httptest.NewRecorder()
		ts.handler.ServeHTTP(answer, req)
		require.Equal(b, http.StatusOK, answer.Code, answer.Body.String())
	}
	const table = "/api/v1/namespaces/bench/configmaps?limit=500"
	for name, path := range map[string]string{
		"get/oldest":     "/at/100/api/v1/namespaces/bench",
		"get/middle":     fmt.Sprintf("/at/%d/api/v1/namespaces/bench/configmaps/m0001", newest/2),
		"get/newest":     fmt.Sprintf("/at/%d/api/v1/namespaces/bench/configmaps/m0001", newest),
		"list500/middle": fmt.Sprintf("/at/%d", newest/2) + table,
		"list500/newest": fmt.Sprintf("/at/%d", newest) + table,
		"revision":       fmt.Sprintf("/apis/minik.dev/v1/revisions/%d", newest/2),
		"page500/newest": "/apis/minik.dev/v1/revisions?limit=500",
		"page500/oldest": "/at/1000/apis/minik.dev/v1/revisions?limit=500",
		"page500/middle": fmt.Sprintf("/at/%d/apis/minik.dev/v1/revisions?limit=500", newest/2),
		"object":         "/apis/minik.dev/v1/revisions?limit=500&fieldSelector=apiGroup%3D,resource%3Dconfigmaps,name%3Dm0001,namespace%3Dbench",
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				get(b, path)
			}
		})
	}
	b.Run("replay", func(b *testing.B) {
		for range b.N {
			n := 0
			require.NoError(b, ts.store.Replay(context.Background(), row, 1, newest, func(*store.Event) bool { n++; return true }))
			require.Equal(b, objects*versions, n)
		}
	})
	// In turns with a store that holds nothing, so that whatever else the machine does hits both alike; the middle turn counts.
	b.Run("start", func(b *testing.B) {
		ts.stop()
		var wall, busy [2][]float64 // with nothing and with everything, in seconds
		b.ResetTimer()
		for i := 0; i < max(2*b.N, 2*startTurns); i++ {
			full := i % 2
			from := b.TempDir()
			if full == 1 {
				from = dir
			}
			began, before := time.Now(), cpu(b)
			started := startOn(b, from)
			wall[full] = append(wall[full], time.Since(began).Seconds())
			busy[full] = append(busy[full], (cpu(b) - before).Seconds())
			started.stop()
		}
		for unit, turns := range map[string][2][]float64{"s": wall, "cpu-s": busy} {
			empty, full := middle(turns[0]), middle(turns[1])
			b.ReportMetric(empty, unit+"/empty-start")
			b.ReportMetric(full, unit+"/start")
			b.ReportMetric(full-empty, unit+"-more")
		}
	})
}

// startTurns is how often each store is started at least.
const startTurns = 5

// middle is the middle one of some measurements.
func middle(turns []float64) float64 {
	slices.Sort(turns)
	return turns[len(turns)/2]
}

// BenchmarkJournal creates pods as fast as 64 clients can, in turns with the journal and without it, so that whatever else
// the machine does hits both alike, and the middle one of the turns counts. cost-% is the throughput that the journal takes,
// cpu-cost-% how much more CPU a create takes.
func BenchmarkJournal(b *testing.B) {
	for name, volatile := range map[string]bool{"durable": false, "volatile": true} {
		b.Run(name, func(b *testing.B) {
			ts := startWith(b, etcd.Options{Dir: b.TempDir(), Volatile: volatile})
			ts.namespace(b, "bench")
			workers := ts.clients(b, 64)
			var next atomic.Int64
			create := func(n int) {
				var group errgroup.Group
				var left atomic.Int64
				left.Store(int64(n))
				for _, client := range workers {
					group.Go(func() error {
						for left.Add(-1) >= 0 {
							_, err := client.CoreV1().Pods("bench").Create(context.Background(), benchPod(next.Add(1)), metav1.CreateOptions{})
							if err != nil {
								return err
							}
						}
						return nil
					})
				}
				require.NoError(b, group.Wait())
			}
			const turn = 1000
			create(4 * turn)            // connections, caches
			var wall, busy [2][]float64 // of each turn, in µs a create
			b.ResetTimer()
			for i := 0; i*turn < b.N || i%4 != 0; i++ {
				without := i % 2
				if i/2%2 == 1 {
					without = 1 - without // neither is always the second
				}
				ts.store.Unrecorded = without == 1
				began, before := time.Now(), cpu(b)
				create(turn)
				wall[without] = append(wall[without], float64(time.Since(began).Microseconds())/turn)
				busy[without] = append(busy[without], float64((cpu(b)-before).Microseconds())/turn)
			}
			ts.store.Unrecorded = false
			b.ReportMetric(1e6/middle(wall[0]), "creates/s")
			b.ReportMetric(1e6/middle(wall[1]), "unrecorded/s")
			b.ReportMetric(100*(1-middle(wall[1])/middle(wall[0])), "cost-%")
			b.ReportMetric(100*(middle(busy[0])/middle(busy[1])-1), "cpu-cost-%")
		})
	}
}

// versions writes as many versions of one object.
func (ts *testServer) versions(resource, name string, n int) error {
	ctx := context.Background()
	row := reader{ts.Server}.row("", resource)
	var entry *store.Entry
	for i := range n {
		obj := &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "bench", Name: name, CreationTimestamp: metav1.Now()},
			Data:       map[string]string{"v": strconv.Itoa(i)},
		}
		note := &journal.Entry{Verb: "update", Resource: resource, Namespace: "bench", Name: name, Causes: []string{"7"},
			Reason: "ReplicaSet web-5d9 wants 3 pods, has 2", Time: time.Now().UTC()}
		var err error
		if entry == nil {
			entry, err = ts.store.Create(ctx, row, obj, note)
		} else {
			entry, err = ts.store.Update(ctx, row, entry, obj, note)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
