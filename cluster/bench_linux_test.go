package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/api"
)

// What a whole run is made of.
const (
	wholeRunNodes = 1000
	wholeRunRate  = 200 // pods per second
	wholeRunPods  = 2000
	burstPods     = 5000
)

// BenchmarkWholeRun has pods created, scheduled and run on 1,000 simulated nodes. Each component is a process of its
// own, so that the CPU time of each can be told: in milliseconds per pod, user and system, from the first creation until
// the last pod runs. The first run creates pods at a steady rate on an idle cluster, and tells how long a pod waits from
// the request that creates it until a watch shows it bound; the second creates them as fast as they are taken. The third
// has, in the scheduler's place, what makes a scheduler's requests and decides nothing: what the second run's scheduler
// cannot cost less than, on this machine at this hour.
func BenchmarkWholeRun(b *testing.B) {
	b.Run(fmt.Sprintf("rate=%d/nodes=%d", wholeRunRate, wholeRunNodes), func(b *testing.B) {
		r := newWholeRun(b, "scheduler")
		for b.Loop() {
			r.run(b, "rate", wholeRunPods, time.Second/wholeRunRate)
		}
	})
	for _, scheduler := range []string{"scheduler", "floor"} {
		b.Run(fmt.Sprintf("burst=%d/nodes=%d/%s", burstPods, wholeRunNodes, scheduler), func(b *testing.B) {
			r := newWholeRun(b, scheduler)
			for b.Loop() {
				r.run(b, "burst", burstPods, 0)
			}
		})
	}
}

// wholeRun is a cluster of processes.
type wholeRun struct {
	client    kubernetes.Interface
	processes map[string]int // their IDs, by name
	rounds    int
}

func newWholeRun(b *testing.B, scheduler string) *wholeRun {
	s := newSite(b)
	b.Setenv(fleetEnv, strconv.Itoa(wholeRunNodes))
	r := &wholeRun{processes: map[string]int{"client": os.Getpid()}}
	for _, role := range []string{"apiserver", "controllers", scheduler, "fleet"} {
		r.processes[role] = s.run(b, role).cmd.Process.Pid
	}
	r.client = s.client(b)
	require.Eventually(b, func() bool {
		nodes, err := r.client.CoreV1().Nodes().List(b.Context(), metav1.ListOptions{})
		require.NoError(b, err)
		ready := 0
		for i := range nodes.Items {
			for _, c := range nodes.Items[i].Status.Conditions {
				if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && len(nodes.Items[i].Spec.Taints) == 1 {
					ready++
				}
			}
		}
		_, err = r.client.CoreV1().ServiceAccounts("default").Get(b.Context(), "default", metav1.GetOptions{})
		return ready == wholeRunNodes && err == nil
	}, patience, time.Second, "the fleet is not ready")
	return r
}

// run creates the pods, one each interval, and reports.
func (r *wholeRun) run(b *testing.B, name string, count int, interval time.Duration) {
	r.rounds++
	labels := map[string]string{"round": strconv.Itoa(r.rounds)}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	seen := r.follow(ctx, b, labels, count)
	before, began := r.cpu(b), time.Now()
	created := make([]time.Time, count)
	var creators errgroup.Group
	creators.SetLimit(64)
	for i := range count {
		if interval > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * interval)))
		}
		creators.Go(func() error {
			created[i] = time.Now()
			_, err := r.client.CoreV1().Pods("default").Create(ctx, simulatedPod(fmt.Sprintf("%s-%d-%d", name, r.rounds, i), labels),
				metav1.CreateOptions{})
			return err
		})
	}
	require.NoError(b, creators.Wait())
	bound := <-seen
	took := time.Since(began)
	waited := make([]time.Duration, count)
	for i := range count {
		waited[i] = bound[fmt.Sprintf("%s-%d-%d", name, r.rounds, i)].Sub(created[i])
	}
	slices.Sort(waited)
	for process, after := range r.cpu(b) {
		b.ReportMetric((after-before[process]).Seconds()*1000/float64(count), process+"-ms/pod")
	}
	b.ReportMetric(float64(count)/took.Seconds(), "pods/s")
	b.ReportMetric(0, "ns/op") // it says nothing
	if interval > 0 {
		b.ReportMetric(waited[count/2].Seconds()*1000, "p50-ms")
		b.ReportMetric(waited[count*99/100].Seconds()*1000, "p99-ms")
	}
}

// follow watches the pods with the labels until all of them run, and says when each was seen bound first.
func (r *wholeRun) follow(ctx context.Context, b *testing.B, labels map[string]string, count int) <-chan map[string]time.Time {
	w, err := r.client.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{
		LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels}),
	})
	require.NoError(b, err)
	out := make(chan map[string]time.Time, 1)
	go func() {
		defer w.Stop()
		bound, running := map[string]time.Time{}, map[string]bool{}
		for event := range w.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			if _, known := bound[pod.Name]; !known && pod.Spec.NodeName != "" {
				bound[pod.Name] = time.Now()
			}
			if pod.Status.Phase == corev1.PodRunning {
				running[pod.Name] = true
			}
			if len(running) == count {
				break
			}
		}
		out <- bound
	}()
	return out
}

func simulatedPod(name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			Tolerations: []corev1.Toleration{{Key: api.Simulated, Operator: corev1.TolerationOpExists}},
			Containers: []corev1.Container{{Name: "main", Image: "nginx:1", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi"),
				},
			}}},
		},
	}
}

// cpu is the CPU time that each process has taken, user and system.
func (r *wholeRun) cpu(b *testing.B) map[string]time.Duration {
	const tick = 10 * time.Millisecond // of /proc, whatever the kernel's own
	out := map[string]time.Duration{}
	for name, id := range r.processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		require.NoError(b, err)
		// The second field is the program's name in parentheses; the times are the 14th and 15th.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		user, err := strconv.Atoi(string(fields[11]))
		require.NoError(b, err)
		system, err := strconv.Atoi(string(fields[12]))
		require.NoError(b, err)
		out[name] = time.Duration(user+system) * tick
	}
	return out
}
