package apiserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"minik.dev/apiserver/etcd"
)

// The benchmarks report what DESIGN's table bounds: µs of CPU (user and system, the whole process) per operation, and
// ratios against etcd itself in the same run.

// benchPod is about 1.5 KiB as JSON.
func benchPod(n int64) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:        fmt.Sprintf("pod-%08d", n),
			Labels:      map[string]string{"app": "bench", "tier": "backend", "pod-template-hash": "5d9c7b8f6d"},
			Annotations: map[string]string{"example.com/description": strings.Repeat("x", 300)},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "main", Image: "registry.example.com/shop/backend:1.2.3", Command: []string{"/backend", "--listen=:8080"},
			Env:   []corev1.EnvVar{{Name: "LEVEL", Value: "info"}, {Name: "REGION", Value: "eu-1"}},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi")}},
		}}},
	}
}

func withKind(pod *corev1.Pod) *corev1.Pod {
	pod.APIVersion, pod.Kind = "v1", "Pod"
	return pod
}

// cpu is what the process has used so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measured reports the CPU per operation of f.
func measured(b *testing.B, f func()) {
	before := cpu(b)
	f()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// clients is a client of its own connection for each of n workers.
func (ts *testServer) clients(b *testing.B, n int) []kubernetes.Interface {
	out := make([]kubernetes.Interface, n)
	for i := range out {
		config := rest.CopyConfig(ts.config)
		config.Dial = nil
		config.ContentType, config.AcceptContentTypes = mediaProto, mediaProto
		config.UserAgent = "bench"
		var err error
		out[i], err = kubernetes.NewForConfig(config)
		require.NoError(b, err)
	}
	return out
}

// BenchmarkCreate is 64 clients that create pods, against the transaction that does the same in etcd alone: called in this
// process as minik does, and by way of a client and a socket as a kube-apiserver does. Durable is as `minik up` runs: etcd
// waits for the disk.
func BenchmarkCreate(b *testing.B) {
	b.Run("durable", func(b *testing.B) { benchmarkCreate(b, etcd.Options{Dir: b.TempDir()}) })
	b.Run("volatile", func(b *testing.B) { benchmarkCreate(b, etcd.Options{Dir: b.TempDir(), Volatile: true}) })
}

func benchmarkCreate(b *testing.B, options etcd.Options) {
	ts := startWith(b, options)
	ts.namespace(b, "bench")
	ctx := context.Background()
	workers := ts.clients(b, 64)
	remote, err := etcd.Connect(ctx, []string{ts.etcd.Endpoint})
	require.NoError(b, err)
	b.Cleanup(func() { _ = remote.Stop() })
	b.Run("etcd", func(b *testing.B) { benchmarkTransactions(b, ts.etcd.Client) })
	b.Run("etcd-grpc", func(b *testing.B) { benchmarkTransactions(b, remote.Client) })
	b.Run("floor", func(b *testing.B) { benchmarkFloor(b, ts.etcd.Client) })
	var next, worker atomic.Int64
	b.Run("handler", func(b *testing.B) { // without clients and their connections: what the server itself spends
		b.SetParallelism(32)
		measured(b, func() {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					pod := benchPod(next.Add(1))
					body, err := media{Type: mediaProto}.encode(withKind(pod))
					if err != nil {
						b.Error(err)
					}
					req := httptest.NewRequest(http.MethodPost, "/api/v1/namespaces/bench/pods", bytes.NewReader(body))
					req.Header = http.Header{"Content-Type": {mediaProto}, "Accept": {mediaProto}, "User-Agent": {"bench"}}
					req.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{
						CommonName: "kubernetes-admin", Organization: []string{"system:masters"}}}}}}
					answer := httptest.NewRecorder()
					ts.handler.ServeHTTP(answer, req)
					if answer.Code != http.StatusCreated {
						b.Error(answer.Body.String())
					}
				}
			})
		})
	})
	b.Run("pods", func(b *testing.B) {
		b.SetParallelism(32)
		measured(b, func() {
			b.RunParallel(func(pb *testing.PB) {
				client := workers[int(worker.Add(1))%len(workers)]
				for pb.Next() {
					if _, err := client.CoreV1().Pods("bench").Create(ctx, benchPod(next.Add(1)), metav1.CreateOptions{}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	})
}

// benchmarkTransactions is 64 goroutines that put 1.5 KiB where nothing is yet.
func benchmarkTransactions(b *testing.B, client *clientv3.Client) {
	value, err := benchPod(0).Marshal()
	require.NoError(b, err)
	value = append(value, bytes.Repeat([]byte("x"), 1500-len(value))...)
	var next atomic.Int64
	base := time.Now().UnixNano()
	b.SetParallelism(32)
	measured(b, func() {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				key := fmt.Sprintf("/bench/%d/%d", base, next.Add(1))
				_, err := client.Txn(context.Background()).If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
					Then(clientv3.OpPut(key, string(value))).Commit()
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// benchmarkFloor is what no server can leave out that takes protobuf, stores JSON and keeps a journal: it decodes, encodes,
// writes both keys in one transaction, and encodes the answer. It checks, fills in and remembers nothing.
func benchmarkFloor(b *testing.B, client *clientv3.Client) {
	body, err := benchPod(0).Marshal()
	require.NoError(b, err)
	entry := strings.Repeat("j", 400)
	var next atomic.Int64
	base := time.Now().UnixNano()
	b.SetParallelism(32)
	measured(b, func() {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				pod := &corev1.Pod{}
				require.NoError(b, pod.Unmarshal(body))
				stored, err := json.Marshal(pod)
				require.NoError(b, err)
				n := next.Add(1)
				key := fmt.Sprintf("/bench/%d/%d", base, n)
				_, err = client.Txn(context.Background()).If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).Then(
					clientv3.OpPut(key, string(stored)), clientv3.OpPut(fmt.Sprintf("/bench-journal/%d", n/1000), entry)).Commit()
				require.NoError(b, err)
				_, err = pod.Marshal()
				require.NoError(b, err)
			}
		})
	})
}

func BenchmarkList10000(b *testing.B) {
	ts := start(b)
	ts.namespace(b, "bench")
	client := ts.clients(b, 1)[0]
	for i := range int64(10_000) {
		_, err := client.CoreV1().Pods("bench").Create(context.Background(), benchPod(i), metav1.CreateOptions{})
		require.NoError(b, err)
	}
	b.Run("handler", func(b *testing.B) {
		measured(b, func() {
			for range b.N {
				req := httptest.NewRequest(http.MethodGet, "/api/v1/pods", nil)
				r := ts.parse(discard{}, req)
				require.NoError(b, ts.list(r))
			}
		})
	})
	transport, err := rest.TransportFor(ts.config)
	require.NoError(b, err)
	get := func(url string, to io.Writer) {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		require.NoError(b, err)
		resp, err := transport.RoundTrip(req)
		require.NoError(b, err)
		_, err = io.Copy(to, resp.Body)
		require.NoError(b, err)
		require.NoError(b, resp.Body.Close())
	}
	var list bytes.Buffer
	get(ts.config.Host+"/api/v1/pods", &list)
	bare := ts.serveBare(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(list.Bytes()) })
	for _, c := range []struct{ name, url string }{{"bare", bare}, {"http", ts.config.Host + "/api/v1/pods"}} {
		b.Run(c.name, func(b *testing.B) {
			measured(b, func() {
				for range b.N {
					get(c.url, io.Discard)
				}
			})
		})
	}
}

// serveBare serves what has nothing to work out, over HTTP/2 and TLS as the server does, and says where.
func (ts *testServer) serveBare(b *testing.B, handler http.HandlerFunc) (url string) {
	server := httptest.NewUnstartedServer(handler)
	server.TLS, server.EnableHTTP2 = ts.TLS.Clone(), true
	server.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2000}
	server.StartTLS()
	b.Cleanup(server.Close)
	return server.URL
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// BenchmarkWatch is one write that many watchers hear of; an operation is one delivery. Bare is what a handler needs that
// does nothing but send bytes that are there: HTTP/2 and TLS on both sides, as all of them have.
func BenchmarkWatch(b *testing.B) {
	ts := start(b)
	ts.namespace(b, "bench")
	maps, value := ts.client.CoreV1().ConfigMaps("bench"), strings.Repeat("x", 1000)
	var next atomic.Int64
	create := func() {
		_, err := maps.Create(context.Background(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("c-%08d", next.Add(1))}, Data: map[string]string{"k": value}},
			metav1.CreateOptions{})
		require.NoError(b, err)
	}
	create()
	list, err := maps.List(context.Background(), metav1.ListOptions{})
	require.NoError(b, err)
	event, err := json.Marshal(metav1.WatchEvent{Type: "ADDED", Object: runtime.RawExtension{Object: withConfigMapKind(&list.Items[0])}})
	require.NoError(b, err)
	tell, bare := broadcaster(b, ts, append(event, '\n'))
	for _, watchers := range []int{100, 1000} {
		b.Run(fmt.Sprint("bare/", watchers, "-watchers"), func(b *testing.B) {
			benchmarkWatch(b, ts, bare, watchers, func() { tell(watchers) })
		})
		b.Run(fmt.Sprint("minik/", watchers, "-watchers"), func(b *testing.B) {
			benchmarkWatch(b, ts, ts.config.Host+"/api/v1/configmaps?watch=1", watchers, create)
		})
	}
}

func withConfigMapKind(m *corev1.ConfigMap) *corev1.ConfigMap {
	m.APIVersion, m.Kind = "v1", "ConfigMap"
	return m
}

// broadcaster serves streams that get the event each time it is told to everybody.
func broadcaster(b *testing.B, ts *testServer, event []byte) (tell func(watchers int), address string) {
	hear := make(chan chan struct{}, 1000)
	var listening []chan struct{}
	url := ts.serveBare(b, func(w http.ResponseWriter, r *http.Request) {
		events := make(chan struct{}, 1000)
		hear <- events
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case <-events:
				_, _ = w.Write(event)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	return func(watchers int) {
		for len(listening) < watchers || len(hear) > 0 {
			listening = append(listening, <-hear)
		}
		for _, l := range listening[len(listening)-watchers:] {
			l <- struct{}{}
		}
	}, url
}

func benchmarkWatch(b *testing.B, ts *testServer, url string, watchers int, write func()) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	transport, err := rest.TransportFor(ts.config)
	require.NoError(b, err)
	var heard atomic.Int64
	for range watchers {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(b, err)
		resp, err := transport.RoundTrip(req)
		require.NoError(b, err)
		go func() {
			defer func() { _ = resp.Body.Close() }()
			buf := make([]byte, 64<<10)
			for {
				n, err := resp.Body.Read(buf)
				heard.Add(int64(bytes.Count(buf[:n], []byte("\n"))))
				if err != nil {
					return
				}
			}
		}()
	}
	write() // what was there before is heard as well
	quiet := int64(-1)
	require.Eventually(b, func() bool {
		now := heard.Load()
		settled := now >= int64(watchers) && now == quiet
		quiet = now
		return settled
	}, time.Minute, 50*time.Millisecond)
	heard.Store(0)
	b.ResetTimer()
	measured(b, func() {
		writes := max(b.N/watchers, 1)
		for range writes {
			write()
		}
		require.Eventually(b, func() bool { return heard.Load() >= int64(writes*watchers) }, time.Minute, time.Millisecond)
	})
}
