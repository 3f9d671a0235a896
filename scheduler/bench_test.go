//go:build unix

package scheduler

import (
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"minik.dev/scheduler/framework"
)

// workload is a kind of pods that a benchmark decides about, all of one ReplicaSet.
type workload struct {
	name string
	// change makes the pod of the kind; nil leaves a plain one.
	change func(*corev1.Pod)
	// perNode is how many of them each node has at the start, on average.
	perNode float64
	profile func(*framework.Profile)
}

func workloads() []workload {
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	return []workload{
		{name: "none", perNode: 2},
		{name: "selector", perNode: 2, change: func(pod *corev1.Pod) {
			pod.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "zone-1"}
		}},
		{name: "spread", perNode: 2, change: func(pod *corev1.Pod) {
			pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{
				{MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: web},
				{MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: web},
			}
		}},
		{name: "anti-affinity", perNode: 0.5, change: func(pod *corev1.Pod) {
			pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
					{TopologyKey: corev1.LabelHostname, LabelSelector: web},
				}}}
		}},
		{name: "gpu", perNode: 2, change: func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Resources.Requests["nvidia.com/gpu"] = resource.MustParse("1")
		}, profile: func(p *framework.Profile) {
			p.Fit.Type = kubeschedulerv1.MostAllocated
			p.Fit.Resources = []kubeschedulerv1.ResourceSpec{{Name: "nvidia.com/gpu", Weight: 1}}
		}},
	}
}

func (w workload) pod(i int) *corev1.Pod {
	pod := testPod(fmt.Sprintf("web-%d", i), resources("500m", "1Gi"))
	if w.change != nil {
		w.change(pod)
	}
	return pod
}

// BenchmarkSchedule decides about one more pod like those before, and places it: a pod leaves for each that comes.
func BenchmarkSchedule(b *testing.B) {
	for _, w := range workloads() {
		for _, nodes := range []int{100, 1000, 5000} {
			b.Run(fmt.Sprintf("%s/nodes=%d", w.name, nodes), func(b *testing.B) { w.run(b, nodes) })
		}
	}
	for _, nodes := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("preemption/nodes=%d", nodes), func(b *testing.B) { preempts(b, nodes) })
	}
}

// reportCPU reports the process' CPU time, user and system, an operation: the figure to trust on a machine that is busy with
// other things.
func reportCPU(b *testing.B) func() {
	cpu := func() time.Duration {
		var used syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	before := cpu()
	return func() { b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/1000, "CPU-µs/op") }
}

// benchNodes is a snapshot of nodes in three zones, with 8 CPUs and 8 GPUs each.
func benchNodes(count int) *framework.Snapshot {
	snapshot := framework.NewSnapshot()
	for i := range count {
		list := nodeResources("8", "32Gi")
		list["nvidia.com/gpu"] = resource.MustParse("8")
		labels := map[string]string{corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3)}
		snapshot.SetNode(testNode(fmt.Sprintf("node-%d", i), list, labels))
	}
	return snapshot
}

func (w workload) run(b *testing.B, nodes int) {
	snapshot, profile := benchNodes(nodes), framework.DefaultProfile()
	if w.profile != nil {
		w.profile(profile)
	}
	var placed []*corev1.Pod
	next := 0
	put := func() {
		pod := w.pod(next)
		next++
		d := framework.Schedule(profile, snapshot, pod)
		if d.Node == "" {
			b.Fatal(d.Message)
		}
		pod.Spec.NodeName = d.Node
		snapshot.AddPod(pod)
		placed = append(placed, pod)
	}
	for range int(w.perNode * float64(nodes)) {
		put()
	}
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		put()
		snapshot.RemovePod(placed[0])
		placed = placed[1:]
	}
}

// preempts decides about a pod that takes the place of another on nodes that are full: it evicts the victims and places
// the pod; then the victim comes back, and the pod leaves.
func preempts(b *testing.B, nodes int) {
	snapshot, profile := benchNodes(nodes), framework.DefaultProfile()
	for i := range nodes {
		for j := range 2 {
			pod := testPod(fmt.Sprintf("low-%d-%d", i, j), resources("4", "1Gi"))
			pod.Spec.Priority = ptr.To(int32(j))
			place(snapshot, pod, fmt.Sprintf("node-%d", i))
		}
	}
	b.ReportAllocs()
	defer reportCPU(b)()
	for i := 0; b.Loop(); i++ {
		pod := testPod(fmt.Sprintf("high-%d", i), resources("4", "1Gi"))
		pod.OwnerReferences[0].UID = "high"
		pod.Spec.Priority = ptr.To(int32(1000))
		d := framework.Schedule(profile, snapshot, pod)
		if d.Preemption == nil {
			b.Fatal(d.Message)
		}
		for _, victim := range d.Preemption.Victims {
			snapshot.RemovePod(victim)
		}
		place(snapshot, pod, d.Preemption.Node)
		pod.Spec.NodeName = d.Preemption.Node
		snapshot.RemovePod(pod)
		for _, victim := range d.Preemption.Victims {
			snapshot.AddPod(victim)
		}
	}
}

// BenchmarkScheduleNewShape decides about a pod unlike all before it, so that every node is asked.
func BenchmarkScheduleNewShape(b *testing.B) {
	snapshot, profile := benchNodes(5000), framework.DefaultProfile()
	i := 0
	for b.Loop() {
		i++
		pod := testPod("web", resources("100m", "1Gi"))
		pod.Namespace = fmt.Sprintf("ns-%d", i)
		framework.Schedule(profile, snapshot, pod)
	}
}

// BenchmarkQueue lets a pod leave and another come while a thousand pods wait, none of which that helps: decisions/op is how
// many of them are decided about all the same.
func BenchmarkQueue(b *testing.B) {
	const nodes, waiting = 300, 1000
	for name, change := range map[string]func(*corev1.Pod){
		"full": func(*corev1.Pod) {},
		"spread": func(pod *corev1.Pod) {
			pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1,
				TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
				LabelSelector: &metav1.LabelSelector{MatchLabels: pod.Labels}}}
		},
		"priority": func(pod *corev1.Pod) { pod.Spec.Priority = ptr.To(int32(5)) },
	} {
		b.Run(fmt.Sprintf("%s/waiting=%d", name, waiting), func(b *testing.B) {
			s := newScheduler(fake.NewClientset(), Options{
				Logger: slog.New(slog.DiscardHandler), Clock: clocktesting.NewFakeClock(noon)})
			s.snapshot = benchNodes(nodes)
			see := s.podEvents()
			on := func(name string, i int, cpu string, priority int32) *corev1.Pod {
				pod := testPod(fmt.Sprintf("%s-%d", name, i), resources(cpu, "1Gi"))
				pod.Labels, pod.OwnerReferences[0].UID = map[string]string{"app": name}, types.UID(name)
				pod.Spec.NodeName, pod.Spec.Priority = fmt.Sprintf("node-%d", i), &priority
				return pod
			}
			for i := range nodes {
				see.OnAdd(on("high", i, "5", 10), true)
				see.OnAdd(on("low", i, "1", 0), true)
				see.OnAdd(on("other", i, "1", 0), true)
			}
			for i := range waiting {
				pod := testPod(fmt.Sprintf("waits-%d", i), resources("4", "1Gi"))
				pod.Labels = map[string]string{"app": fmt.Sprint(i % 20)}
				pod.OwnerReferences[0].UID = types.UID(pod.Labels["app"])
				change(pod)
				see.OnAdd(pod, true)
			}
			decisions := 0
			decide := func() {
				for s.scheduleNext(b.Context()) {
					require.NoError(b, s.writers.Wait())
					decisions++
				}
			}
			decide()
			decisions = 0
			i := 0
			defer reportCPU(b)()
			for b.Loop() {
				i = (i + 1) % nodes
				pod := on("low", i, "1", 0)
				see.OnDelete(pod)
				decide()
				see.OnAdd(pod, false)
				decide()
			}
			b.ReportMetric(float64(decisions)/float64(b.N), "decisions/op")
		})
	}
}

// BenchmarkQueueOneFits frees room for one of many pods alike that wait, again and again. All of them are woken.
func BenchmarkQueueOneFits(b *testing.B) {
	const nodes, waiting = 300, 1000
	client := fake.NewClientset()
	client.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	s := newScheduler(client, Options{Logger: slog.New(slog.DiscardHandler), Clock: clocktesting.NewFakeClock(noon)})
	s.snapshot = benchNodes(nodes)
	see := s.podEvents()
	decide := func() {
		for s.scheduleNext(b.Context()) {
			require.NoError(b, s.writers.Wait())
		}
	}
	next := 0
	create := func() {
		see.OnAdd(testPod(fmt.Sprint(next), resources("8", "1Gi")), false)
		next++
	}
	for range nodes + waiting {
		create()
	}
	decide()
	defer reportCPU(b)()
	for b.Loop() {
		for _, a := range s.assumed.pods {
			see.OnDelete(a.pod)
			break
		}
		create()
		decide()
	}
}
