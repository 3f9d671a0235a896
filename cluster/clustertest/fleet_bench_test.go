//go:build unix

package clustertest_test

import (
	"bytes"
	"fmt"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/cluster"
	"minik.dev/cluster/clustertest"
)

// BenchmarkSimulatedPods measures what one pod of ten Deployments on simulated nodes costs, from their creation until all
// are available, in CPU time: of the whole process, and of its parts.
//
//	go test ./cluster/clustertest -run '^$' -bench SimulatedPods -benchtime 10000x
func BenchmarkSimulatedPods(b *testing.B) {
	for _, nodes := range []int{1000, 5000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) { simulatedPods(b, nodes) })
	}
}

func simulatedPods(b *testing.B, nodes int) {
	cluster.CollectLess(nodes) // as minik up does
	const deployments = 10
	client, err := kubernetes.NewForConfig(clustertest.Start(b, clustertest.Nodes(3), clustertest.SimNodes(nodes)))
	require.NoError(b, err)
	all := client.AppsV1().Deployments("default")
	parts := profiled(b)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	for i := range deployments {
		labels := map[string]string{"app": fmt.Sprintf("web-%d", i)}
		pod := simulated(corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}})
		_, err := all.Create(b.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: labels["app"]},
			Spec: appsv1.DeploymentSpec{
				Replicas: ptr.To(int32(max(b.N/deployments, 1))), Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
			}}, metav1.CreateOptions{})
		require.NoError(b, err)
	}
	for i := 0; i < deployments; {
		d, err := all.Get(b.Context(), fmt.Sprintf("web-%d", i), metav1.GetOptions{})
		require.NoError(b, err)
		if d.Status.AvailableReplicas == *d.Spec.Replicas {
			i++
			continue
		}
		time.Sleep(often)
	}
	b.StopTimer()
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	for part, took := range parts() {
		b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), part+"-ms/op")
	}
}

// BenchmarkPods has single pods created on a cluster of simulated nodes, and tells what each costs until all run: at 200 a
// second where nothing runs yet, with how long one waits from the request that creates it until a watch shows it bound; and as
// fast as 64 clients are answered, with how many a second that makes, where none or many run already.
//
//	go test ./cluster/clustertest -run '^$' -bench '^BenchmarkPods$' -benchtime 5000x
func BenchmarkPods(b *testing.B) {
	b.Run("rate=200/nodes=1000", func(b *testing.B) { podsEach(b, 1000, 0, time.Second/200) })
	b.Run("burst/nodes=1000", func(b *testing.B) { podsEach(b, 1000, 0, 0) })
	b.Run("burst/nodes=1000/running=45000", func(b *testing.B) { podsEach(b, 1000, 45_000, 0) })
	b.Run("burst/nodes=5000/running=5000", func(b *testing.B) { podsEach(b, 5000, 5000, 0) })
}

func podsEach(b *testing.B, nodes, running int, interval time.Duration) {
	cluster.CollectLess(nodes) // as minik up does
	client, err := kubernetes.NewForConfig(clustertest.Start(b, clustertest.Nodes(3), clustertest.SimNodes(nodes)))
	require.NoError(b, err)
	if running > 0 {
		newWave(b, client, "before", running).create(b, 0, func(i int) string { return fmt.Sprintf("sim-%d", i%nodes+1) })
	}
	pods := newWave(b, client, "pod", b.N)
	parts := profiled(b)
	b.ResetTimer()
	before, began := cpuTime(b), time.Now()
	waited := pods.create(b, interval, func(int) string { return "" })
	b.StopTimer()
	if interval > 0 {
		slices.Sort(waited)
		b.ReportMetric(waited[b.N/2].Seconds()*1000, "p50-ms")
		b.ReportMetric(waited[b.N*99/100].Seconds()*1000, "p99-ms")
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "pods/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	for part, took := range parts() {
		b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), part+"-ms/op")
	}
}

// wave is a number of pods, and the watch that sees them bound.
type wave struct {
	pods  typedcorev1.PodInterface
	name  string
	count int
	bound chan []time.Time // when each was seen bound, once all run; nothing if the watch broke
}

func newWave(b *testing.B, client kubernetes.Interface, name string, count int) *wave {
	w := &wave{pods: client.CoreV1().Pods("default"), name: name, count: count, bound: make(chan []time.Time, 1)}
	watching, err := w.pods.Watch(b.Context(), metav1.ListOptions{LabelSelector: "wave=" + name})
	require.NoError(b, err)
	go func() {
		defer close(w.bound)
		defer watching.Stop()
		seen, running := make([]time.Time, count), map[string]bool{}
		for len(running) < count {
			pod, ok := (<-watching.ResultChan()).Object.(*corev1.Pod)
			if !ok {
				return
			}
			i, err := strconv.Atoi(strings.TrimPrefix(pod.Name, name+"-"))
			if err == nil && pod.Spec.NodeName != "" && seen[i].IsZero() {
				seen[i] = time.Now()
			}
			if pod.Status.Phase == corev1.PodRunning {
				running[pod.Name] = true
			}
		}
		w.bound <- seen
	}()
	return w
}

// create makes the pods, one each interval, waits until all run, and says how long each waited until it was bound. Those that
// node names a node for are bound from the start.
func (w *wave) create(b *testing.B, interval time.Duration, node func(i int) string) []time.Duration {
	b.Helper()
	began, created, waited := time.Now(), make([]time.Time, w.count), make([]time.Duration, w.count)
	var creators errgroup.Group
	creators.SetLimit(64)
	for i := range w.count {
		time.Sleep(time.Until(began.Add(time.Duration(i) * interval)))
		created[i] = time.Now()
		creators.Go(func() error {
			_, err := w.pods.Create(b.Context(), &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", w.name, i), Labels: map[string]string{"wave": w.name}},
				Spec: simulated(corev1.PodSpec{NodeName: node(i),
					Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}}),
			}, metav1.CreateOptions{})
			return err
		})
	}
	require.NoError(b, creators.Wait())
	seen, ok := <-w.bound
	require.True(b, ok, "the watch broke")
	for i := range waited {
		waited[i] = seen[i].Sub(created[i])
	}
	return waited
}

// profiled takes a CPU profile until what it returns is called: that says what the parts of the cluster have taken. "shared"
// is what belongs to none: etcd, the test itself, and the garbage collector. It measures nothing under -cpuprofile.
func profiled(b *testing.B) func() map[string]time.Duration {
	var taken bytes.Buffer
	if err := pprof.StartCPUProfile(&taken); err != nil {
		b.Log(err)
		return func() map[string]time.Duration { return nil }
	}
	return func() map[string]time.Duration {
		pprof.StopCPUProfile()
		p, err := profile.Parse(&taken)
		require.NoError(b, err)
		out := map[string]time.Duration{}
		for _, sample := range p.Sample {
			part := "shared"
			if labels := sample.Label["part"]; len(labels) > 0 {
				part = strings.ReplaceAll(strings.TrimPrefix(labels[0], "the "), " ", "-")
			}
			if !strings.HasPrefix(part, "kubelet") { // nothing runs there
				out[part] += time.Duration(sample.Value[len(sample.Value)-1])
			}
		}
		return out
	}
}

// cpuTime is what this process has used, user and system.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
