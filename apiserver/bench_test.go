package apiserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
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
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
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

func BenchmarkCreate(b *testing.B) {
	ts := start(b)
	ts.namespace(b, "bench")
	ctx := context.Background()
	workers := ts.clients(b, 64)
	b.Run("etcd", func(b *testing.B) {
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
					_, err := ts.etcd.Client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
						Then(clientv3.OpPut(key, string(value))).Commit()
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	})
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
	b.Run("http", func(b *testing.B) {
		transport, err := rest.TransportFor(ts.config)
		require.NoError(b, err)
		measured(b, func() {
			for range b.N {
				req, err := http.NewRequest(http.MethodGet, ts.config.Host+"/api/v1/pods", nil)
				require.NoError(b, err)
				resp, err := transport.RoundTrip(req)
				require.NoError(b, err)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(b, err)
				require.NoError(b, resp.Body.Close())
			}
		})
	})
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// BenchmarkWatch is one write that 100 watchers hear of; an operation is one delivery.
func BenchmarkWatch(b *testing.B) {
	const watchers = 100
	ts := start(b)
	ts.namespace(b, "bench")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var heard atomic.Int64
	transport, err := rest.TransportFor(ts.config)
	require.NoError(b, err)
	for range watchers {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, ts.config.Host+"/api/v1/configmaps?watch=1&resourceVersion=0", nil)
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
	maps := ts.client.CoreV1().ConfigMaps("bench")
	value := strings.Repeat("x", 1000)
	b.ResetTimer()
	measured(b, func() {
		writes := max(b.N/watchers, 1)
		for i := range writes {
			_, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("c-%d-%d", b.N, i)},
				Data: map[string]string{"k": value}}, metav1.CreateOptions{})
			require.NoError(b, err)
		}
		require.Eventually(b, func() bool { return heard.Load() >= int64(writes*watchers) }, time.Minute, time.Millisecond)
	})
}
