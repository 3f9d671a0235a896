package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clientcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

// fixture is a scheduler at work on a client that keeps objects in memory and binds as the API server does.
type fixture struct {
	*testing.T
	client    *fake.Clientset
	scheduler *Scheduler
	// beforePatch is called before a pod is patched, where it is set.
	beforePatch func()
	clock       *clocktesting.FakeClock
	refuse      atomic.Bool // bindings fail
	keep        atomic.Bool // deletions fail
}

func start(t *testing.T, objects ...runtime.Object) *fixture { return startWith(t, nil, objects...) }

func startWith(t *testing.T, configuration *Configuration, objects ...runtime.Object) *fixture {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	f := &fixture{T: t, client: fake.NewClientset(objects...), clock: clocktesting.NewFakeClock(noon)}
	f.client.PrependReactor("create", "pods", f.bind)
	f.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return f.keep.Load(), nil, errors.New("etcd is full")
	})
	ctx, cancel := context.WithCancel(t.Context())
	s := newScheduler(slowClient{f.client, f}, Options{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: f.clock, Configuration: configuration,
	})
	f.scheduler = s
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	f.eventually(f.watched)
	return f
}

// watched reports whether all watches stand. An object that comes between a list and its watch is handed out by the fake
// client without a copy, and the scheduler changes what it gets.
func (f *fixture) watched() bool {
	watches := 0
	for _, a := range f.client.Actions() {
		if a.GetVerb() == "watch" {
			watches++
		}
	}
	return watches >= 7
}

// slowClient is the fixture's client, whose patches can be made to wait. (A reactor that waits stops the whole client.)
type slowClient struct {
	*fake.Clientset
	f *fixture
}

type slowCore struct {
	clientcorev1.CoreV1Interface
	f *fixture
}

type slowPods struct {
	clientcorev1.PodInterface
	f *fixture
}

func (c slowClient) CoreV1() clientcorev1.CoreV1Interface {
	return slowCore{c.Clientset.CoreV1(), c.f}
}

func (c slowCore) Pods(namespace string) clientcorev1.PodInterface {
	return slowPods{c.CoreV1Interface.Pods(namespace), c.f}
}

func (p slowPods) Patch(
	ctx context.Context, name string, kind types.PatchType, patch []byte, options metav1.PatchOptions, sub ...string,
) (*corev1.Pod, error) {
	if p.f.beforePatch != nil {
		p.f.beforePatch()
	}
	return p.PodInterface.Patch(ctx, name, kind, patch, options, sub...)
}

// knows reports whether the scheduler has seen the node, or a pod on it.
func (f *fixture) knows(node string) bool {
	f.scheduler.mu.Lock()
	defer f.scheduler.mu.Unlock()
	pods, err := f.scheduler.pods.List(labels.Everything())
	require.NoError(f, err)
	return f.scheduler.snapshot.Node(node) != nil || slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
		return f.scheduler.snapshot.Whereabouts(pod.UID)[0].Node == node
	})
}

func (f *fixture) bind(action clienttesting.Action) (bool, runtime.Object, error) {
	if action.GetSubresource() != "binding" {
		return false, nil, nil
	}
	if f.refuse.Load() {
		return true, nil, errors.New("etcd is full")
	}
	binding := action.(clienttesting.CreateAction).GetObject().(*corev1.Binding)
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	stored, err := f.client.Tracker().Get(pods, binding.Namespace, binding.Name)
	if err != nil {
		return true, nil, err
	}
	pod := stored.(*corev1.Pod).DeepCopy()
	pod.Spec.NodeName = binding.Target.Name
	pod.Annotations = binding.Annotations
	return true, binding, f.client.Tracker().Update(pods, pod, binding.Namespace)
}

func (f *fixture) create(pod *corev1.Pod) {
	_, err := f.client.CoreV1().Pods(pod.Namespace).Create(f.Context(), pod, metav1.CreateOptions{})
	require.NoError(f, err)
}

// addNode returns when the scheduler has seen the node: it watches pods and nodes apart, and might decide about a pod that
// is created next without it.
func (f *fixture) addNode(node *corev1.Node) {
	_, err := f.client.CoreV1().Nodes().Create(f.Context(), node, metav1.CreateOptions{})
	require.NoError(f, err)
	f.eventually(func() bool { return f.knows(node.Name) })
}

func (f *fixture) pod(name string) *corev1.Pod {
	pod, err := f.client.CoreV1().Pods("default").Get(f.Context(), name, metav1.GetOptions{})
	require.NoError(f, err)
	return pod
}

func (f *fixture) eventually(condition func() bool) {
	f.Helper()
	require.Eventually(f, condition, 10*time.Second, 5*time.Millisecond)
}

func (f *fixture) hasEvent(pod, reason, note string) bool {
	events, err := f.client.EventsV1().Events("default").List(f.Context(), metav1.ListOptions{})
	require.NoError(f, err)
	for _, e := range events.Items {
		if e.Regarding.Name == pod && e.Reason == reason && e.Note == note {
			return e.ReportingController == "default-scheduler" && strings.HasPrefix(e.ReportingInstance, "default-scheduler-")
		}
	}
	return false
}

func scheduledCondition(pod *corev1.Pod) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c
		}
	}
	return corev1.PodCondition{}
}

func TestPodsAreBoundOrSayWhyNot(t *testing.T) {
	f := start(t)
	f.addNode(testNode("node-1", nodeResources("1", "4Gi"), nil))
	f.create(testPod("web-1", resources("600m", "1Gi")))
	f.eventually(func() bool { return f.pod("web-1").Spec.NodeName == "node-1" })
	f.eventually(func() bool {
		return f.hasEvent("web-1", "Scheduled", "Successfully assigned default/web-1 to node-1")
	})
	var record Record
	require.NoError(t, json.Unmarshal([]byte(f.pod("web-1").Annotations[DecisionAnnotation]), &record))
	require.Equal(t, uint64(1), record.Sequence)
	require.Equal(t, 1, record.Feasible)
	require.Equal(t, "node-1", record.Best[0].Node)

	f.create(testPod("web-2", resources("600m", "1Gi")))
	message := "0/1 nodes are available: 1 Insufficient cpu. " +
		"preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
	f.eventually(func() bool { return f.hasEvent("web-2", "FailedScheduling", message) })
	f.eventually(func() bool { return scheduledCondition(f.pod("web-2")).Message == message })
	require.Equal(t, corev1.PodReasonUnschedulable, scheduledCondition(f.pod("web-2")).Reason)

	f.addNode(testNode("node-2", nodeResources("1", "4Gi"), nil))
	f.eventually(func() bool { return f.pod("web-2").Spec.NodeName == "node-2" })
}

// A pod whose node is cordoned, full, or gone fits again when a pod ends.
func TestAnEndedPodMakesRoom(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("1", "4Gi"), nil))
	f.create(testPod("first", resources("1", "1Gi")))
	f.eventually(func() bool { return f.pod("first").Spec.NodeName != "" })
	f.create(testPod("second", resources("1", "1Gi")))
	f.eventually(func() bool { return scheduledCondition(f.pod("second")).Reason == corev1.PodReasonUnschedulable })
	first := f.pod("first")
	first.Status.Phase = corev1.PodSucceeded
	_, err := f.client.CoreV1().Pods("default").UpdateStatus(t.Context(), first, metav1.UpdateOptions{})
	require.NoError(t, err)
	f.eventually(func() bool { return f.pod("second").Spec.NodeName == "node-1" })
}

// A binding that fails is taken back: the pod says so, rests, and is tried again.
func TestARefusedBindingIsTriedAgain(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("1", "4Gi"), nil))
	f.refuse.Store(true)
	f.create(testPod("web", resources("1", "1Gi")))
	f.eventually(func() bool { return f.hasEvent("web", "FailedScheduling", "binding rejected: etcd is full") })
	require.Equal(t, corev1.PodReasonSchedulerError, scheduledCondition(f.pod("web")).Reason)
	f.refuse.Store(false)
	f.eventually(func() bool {
		f.clock.Step(time.Second)
		return f.pod("web").Spec.NodeName == "node-1"
	})
}

// Pods of another scheduler are left alone; so are pods with gates, until the last gate is gone.
func TestGatedAndForeignPodsAreLeftAlone(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("4", "4Gi"), nil))
	foreign := testPod("foreign", nil)
	foreign.Spec.SchedulerName = "another"
	f.create(foreign)
	gated := testPod("gated", nil)
	gated.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/quota"}}
	f.create(gated)
	f.create(testPod("after", nil))
	f.eventually(func() bool { return f.pod("after").Spec.NodeName != "" })
	require.Empty(t, f.pod("foreign").Spec.NodeName)
	require.Empty(t, f.pod("gated").Spec.NodeName)

	open := f.pod("gated")
	open.Spec.SchedulingGates = nil
	_, err := f.client.CoreV1().Pods("default").Update(t.Context(), open, metav1.UpdateOptions{})
	require.NoError(t, err)
	f.eventually(func() bool { return f.pod("gated").Spec.NodeName == "node-1" })
}

// What is said of a pod that fits nowhere is written before the pod is decided about again: it must not come after the
// binding, and say of a pod with a node that it has none.
func TestAReportIsWrittenBeforeTheNextDecision(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("1", "4Gi"), nil))
	reported, written := make(chan struct{}), make(chan struct{})
	f.beforePatch = func() {
		close(reported)
		<-written
	}
	f.create(testPod("web", resources("2", "1Gi")))
	<-reported
	f.addNode(testNode("node-2", nodeResources("4", "4Gi"), nil))
	f.create(testPod("witness", resources("2", "1Gi"))) // comes later, and fits there only
	f.eventually(func() bool { return f.pod("witness").Spec.NodeName == "node-2" })
	require.Empty(t, f.pod("web").Spec.NodeName)
	close(written)
	f.eventually(func() bool { return f.pod("web").Spec.NodeName == "node-2" })
}

// Many pods at once: each is bound, and no node holds more than it has.
func TestABurstIsBoundWithoutOverCommitting(t *testing.T) {
	f := start(t,
		testNode("node-1", nodeResources("10", "64Gi"), nil), testNode("node-2", nodeResources("10", "64Gi"), nil))
	for i := range 20 {
		f.create(testPod(string(rune('a'+i)), resources("1", "1Gi")))
	}
	f.eventually(func() bool {
		pods, err := f.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		on := map[string]int{}
		for _, pod := range pods.Items {
			on[pod.Spec.NodeName]++
		}
		return on["node-1"] == 10 && on["node-2"] == 10
	})
}

func TestRanges(t *testing.T) {
	require.Equal(t, "7-9,11", ranges([]uint64{7, 8, 9, 11}))
	require.Equal(t, "", ranges(nil))
	require.Equal(t, "1,3", ranges([]uint64{1, 3}))
}
