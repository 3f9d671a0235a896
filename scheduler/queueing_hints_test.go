package scheduler

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

// The clock of these tests stands still, so that no flush comes: only what happens can wake a pod.

func (f *fixture) unschedulable(pod string) func() bool {
	return func() bool { return scheduledCondition(f.pod(pod)).Reason == corev1.PodReasonUnschedulable }
}

func (f *fixture) changeNode(name string, change func(*corev1.Node)) {
	node, err := f.client.CoreV1().Nodes().Get(f.Context(), name, metav1.GetOptions{})
	require.NoError(f, err)
	change(node)
	_, err = f.client.CoreV1().Nodes().Update(f.Context(), node, metav1.UpdateOptions{})
	require.NoError(f, err)
	f.eventually(func() bool {
		f.scheduler.mu.Lock()
		defer f.scheduler.mu.Unlock()
		n := f.scheduler.snapshot.Node(name)
		return n != nil && equality.Semantic.DeepEqual(n.Node.Labels, node.Labels) &&
			equality.Semantic.DeepEqual(n.Node.Spec, node.Spec) &&
			equality.Semantic.DeepEqual(n.Node.Status.Allocatable, node.Status.Allocatable)
	})
}

func (f *fixture) deletePod(name string) {
	require.NoError(f, f.client.CoreV1().Pods("default").Delete(f.Context(), name, metav1.DeleteOptions{}))
}

// A node that rejected the pod for one reason rejects it for another after a change: from then on the pod waits for that one.
func TestAPodWaitsForWhatRejectsItNow(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("4", "4Gi"), nil))
	f.create(testPod("filler", resources("3", "1Gi")))
	f.eventually(func() bool { return f.pod("filler").Spec.NodeName == "node-1" })
	victim := testPod("victim", resources("3", "1Gi"))
	victim.Spec.NodeSelector = map[string]string{"x": "y"}
	f.create(victim)
	f.eventually(f.unschedulable("victim"))
	f.changeNode("node-1", func(n *corev1.Node) { n.Labels["x"] = "y" })
	f.deletePod("filler")
	f.eventually(func() bool { return f.pod("victim").Spec.NodeName == "node-1" })
}

// A pod that came before all nodes waits for the first of them, and then for what is wrong with it.
func TestAPodThatFoundNoNodesWaitsForWhatRejectsItNow(t *testing.T) {
	f := start(t)
	f.create(testPod("web", resources("1", "1Gi")))
	f.eventually(f.unschedulable("web"))
	node := testNode("node-1", nodeResources("4", "4Gi"), nil)
	node.Spec.Taints = []corev1.Taint{{Key: "maintenance", Effect: corev1.TaintEffectNoSchedule}}
	f.addNode(node)
	f.changeNode("node-1", func(n *corev1.Node) { n.Spec.Taints = nil })
	f.eventually(func() bool { return f.pod("web").Spec.NodeName == "node-1" })
}

// A pod that would preempt waits for what rejects it even without the victims: here for CPU, where the port is the first no.
func TestAPodWaitsForWhatRejectsItEvenAfterEvictions(t *testing.T) {
	port := func(pod *corev1.Pod, priority int32) *corev1.Pod {
		pod.Spec.Priority = ptr.To(priority)
		pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
		return pod
	}
	f := start(t, testNode("node-1", nodeResources("4", "4Gi"), nil))
	high := testPod("high", resources("3", "1Gi"))
	high.Spec.Priority = ptr.To(int32(10))
	f.create(high)
	f.create(port(testPod("low", nil), 0))
	f.eventually(func() bool { return f.pod("low").Spec.NodeName != "" && f.pod("high").Spec.NodeName != "" })
	f.create(port(testPod("middle", resources("2", "1Gi")), 5))
	f.eventually(f.unschedulable("middle"))
	f.changeNode("node-1", func(n *corev1.Node) { n.Status.Allocatable = nodeResources("8", "4Gi") })
	f.eventually(func() bool { return f.pod("middle").Spec.NodeName == "node-1" })
}

// quiet is a scheduler that nobody runs: events come, and decisions are made, when the test says so.
type quiet struct {
	*testing.T
	*Scheduler
}

func newQuiet(t *testing.T, nodes ...*corev1.Node) quiet {
	client := fake.NewClientset()
	client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, nil // all bindings succeed
	})
	client.PrependReactor("patch", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return true, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "10"}}, nil // and all that is written
	})
	q := quiet{t, newScheduler(client, Options{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: clocktesting.NewFakeClock(noon)})}
	for _, n := range nodes {
		q.nodeEvents().OnAdd(n, true)
	}
	return q
}

func (q quiet) see(pods ...*corev1.Pod) {
	for _, pod := range pods {
		q.podEvents().OnAdd(pod, false)
	}
}

// decideAll decides about all pods that are ready.
func (q quiet) decideAll() {
	for q.scheduleNext(context.Background()) {
		require.NoError(q, q.writers.Wait())
	}
}

// parks decides about all pods that wait, and expects that the pod is parked.
func (q quiet) parks(pod *corev1.Pod) {
	q.decideAll()
	require.Contains(q, q.queue.parked, pod.UID)
}

func nominatedFor(node string, pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Spec.SchedulerName, pod.Status.NominatedNodeName = "another", node
	return pod
}

func on(node string, pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Spec.NodeName = node
	return pod
}

// Room that is kept for a pod is free when the pod goes elsewhere, in whatever way.
func TestRoomIsFreeWhereAPodNoLongerWaits(t *testing.T) {
	large, small := testNode("large", nodeResources("4", "4Gi"), nil), testNode("small", nodeResources("1", "1Gi"), nil)
	rival := nominatedFor("large", testPod("rival", resources("3", "1Gi")))
	anew := testPod("rival", nil)
	anew.UID = "another"
	for name, leaves := range map[string]func(q quiet){
		"bound to another node": func(q quiet) { q.see(on("small", rival)) },
		"nominated for another": func(q quiet) { q.see(nominatedFor("small", rival)) },
		"asks for less":         func(q quiet) { q.see(nominatedFor("large", testPod("rival", resources("1", "1Gi")))) },
		"deleted":               func(q quiet) { q.podEvents().OnDelete(rival) },
		"made anew unseen":      func(q quiet) { q.podEvents().OnUpdate(rival, anew) },
	} {
		q := newQuiet(t, large, small)
		waits := testPod("waits", resources("3", "1Gi"))
		q.see(rival, waits)
		q.parks(waits)
		leaves(q)
		assert.NotContains(t, q.queue.parked, waits.UID, name)
	}
}

// A pod for which room is being made on one node finds some on another: what was kept for it is free.
func TestRoomIsFreeWhereAPodNoLongerPreempts(t *testing.T) {
	q := newQuiet(t, testNode("node-1", nodeResources("4", "4Gi"), map[string]string{"disk": "ssd"}))
	preempts, waits := queued("preempts", 5), queued("waits", 1)
	preempts.Spec.Containers[0].Resources.Requests = resources("3", "1Gi")
	waits.Spec.Containers[0].Resources.Requests = resources("1", "1Gi")
	waits.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	q.see(on("node-1", testPod("victim", resources("3", "1Gi"))), preempts)
	q.parks(preempts)
	require.Equal(t, "node-1", q.snapshot.Nominated(preempts.UID))
	q.see(waits)
	q.parks(waits)
	q.nodeEvents().OnAdd(testNode("node-2", nodeResources("4", "4Gi"), nil), false)
	q.decideAll()
	require.True(t, q.assumed.has(preempts.UID))
	require.True(t, q.assumed.has(waits.UID))
}

// A version of the pod from before its nomination was written may come late. It does not take the nomination back; one from
// after that does.
func TestANominationOutlivesOlderVersions(t *testing.T) {
	q := newQuiet(t, testNode("node-1", nodeResources("4", "4Gi"), nil))
	preempts := queued("preempts", 5)
	preempts.Spec.Containers[0].Resources.Requests = resources("3", "1Gi")
	q.see(on("node-1", testPod("victim", resources("3", "1Gi"))), preempts)
	q.parks(preempts)
	version := func(v string) {
		pod := preempts.DeepCopy()
		pod.ResourceVersion = v
		q.podEvents().OnUpdate(preempts, pod)
	}
	version("9")
	require.Equal(t, "node-1", q.snapshot.Nominated(preempts.UID))
	version("11")
	require.Empty(t, q.snapshot.Nominated(preempts.UID))
	require.NotContains(t, q.queue.parked, preempts.UID, "it has to make room anew")
}

// A pod that was thought to be bound to one node turns out to be on another: the first has room again.
func TestRoomIsFreeWhereAPodIsNotAfterAll(t *testing.T) {
	q := newQuiet(t, testNode("large", nodeResources("4", "4Gi"), nil), testNode("small", nodeResources("1", "1Gi"), nil))
	moved, waits := testPod("moved", resources("3", "1Gi")), testPod("waits", resources("3", "1Gi"))
	q.see(on("large", moved), waits)
	q.parks(waits)
	q.see(on("small", moved))
	require.NotContains(t, q.queue.parked, waits.UID)
}

// A claim for a single pod keeps all others from every node, wherever that pod is.
func TestAClaimForASinglePodIsFreeEverywhere(t *testing.T) {
	cordoned := testNode("node-1", nodeResources("4", "4Gi"), nil)
	cordoned.Spec.Unschedulable = true
	q := newQuiet(t, cordoned, testNode("node-2", nodeResources("4", "4Gi"), nil))
	changes(q.Scheduler, q.snapshot.SetVolume, q.snapshot.RemoveVolume).OnAdd(&corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "v"}}, true)
	changes(q.Scheduler, q.snapshot.SetClaim, q.snapshot.RemoveClaim).OnAdd(&corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "v",
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}}, true)
	user, waits := testPod("user", nil), testPod("waits", nil)
	for _, pod := range []*corev1.Pod{user, waits} {
		pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	}
	q.see(on("node-1", user), waits)
	q.parks(waits)
	q.podEvents().OnDelete(on("node-1", user))
	require.NotContains(t, q.queue.parked, waits.UID)
}

// What happened while extenders were asked is told afterwards, when the node that it was about may be gone.
func TestAnEventMayOutliveItsNode(t *testing.T) {
	node := testNode("node-1", nodeResources("1", "1Gi"), nil)
	q := newQuiet(t, node)
	waits := testPod("waits", resources("2", "1Gi"))
	q.see(waits)
	q.parks(waits)
	larger := testNode("node-1", nodeResources("1500m", "1Gi"), nil)
	q.mu.Lock()
	q.unlocked(func() {
		q.nodeEvents().OnUpdate(node, larger)
		q.nodeEvents().OnDelete(larger)
	})
	q.replay()
	q.mu.Unlock()
	require.Contains(t, q.queue.parked, waits.UID)
}
