package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/scheduler/framework"
)

func urgent(name string, priority int32, cpu string) *corev1.Pod {
	pod := testPod(name, resources(cpu, "1Gi"))
	pod.Spec.Priority = &priority
	return pod
}

// A pod of higher priority drives out a lower one, which says why, and gets the node as soon as it is free. While it
// waits for its node, nobody of its own priority takes the room.
func TestPreemption(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("1", "4Gi"), nil))
	f.create(urgent("low", 0, "1"))
	f.eventually(func() bool { return f.pod("low").Spec.NodeName == "node-1" })
	f.eventually(func() bool { return f.hasEvent("low", "Scheduled", "Successfully assigned default/low to node-1") })
	f.clock.Step(time.Minute) // Events are named by the time
	low := f.watchPod("low")
	f.create(urgent("high", 5, "1"))
	f.eventually(func() bool { return f.pod("high").Spec.NodeName == "node-1" })
	require.Contains(t, low(), corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler,
		Message:            "default-scheduler: preempting to accommodate a higher priority pod",
		LastTransitionTime: metav1.NewTime(f.clock.Now().Local()),
	})
	f.eventually(func() bool { return f.hasEvent("low", "Preempted", "Preempted by pod uid-of-high on node node-1") })
	f.eventually(func() bool {
		return f.hasEvent("high", "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu. preemption: found a potential "+
			"placement for pod on node node-1, preempting 1 victims")
	})
	require.Equal(t, "node-1", f.pod("high").Status.NominatedNodeName)
}

// watchPod remembers the conditions that a pod ever had.
func (f *fixture) watchPod(name string) func() []corev1.PodCondition {
	w, err := f.client.CoreV1().Pods("default").Watch(f.Context(), metav1.ListOptions{})
	require.NoError(f, err)
	return func() []corev1.PodCondition {
		w.Stop()
		var all []corev1.PodCondition
		for e := range w.ResultChan() {
			if pod, ok := e.Object.(*corev1.Pod); ok && pod.Name == name {
				all = append(all, pod.Status.Conditions...)
			}
		}
		return all
	}
}

// A node that comes with pods of lower priority on it helps a pod that waits, although it has no room.
func TestANodeFullOfLowerPodsWakes(t *testing.T) {
	f := start(t)
	f.create(urgent("high", 5, "1"))
	f.eventually(func() bool { return scheduledCondition(f.pod("high")).Reason == corev1.PodReasonUnschedulable })
	low := urgent("low", 0, "1")
	low.Spec.NodeName = "node-1"
	f.create(low)
	f.eventually(func() bool { return f.knows("node-1") })
	f.addNode(testNode("node-1", nodeResources("1", "4Gi"), nil))
	f.eventually(func() bool { return f.pod("high").Spec.NodeName == "node-1" })
}

// Where the victim cannot be deleted, the pod tries again.
func TestAnEvictionThatFailsIsTriedAgain(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("1", "4Gi"), nil))
	f.create(urgent("low", 0, "1"))
	f.eventually(func() bool { return f.pod("low").Spec.NodeName == "node-1" })
	f.keep.Store(true)
	f.create(urgent("high", 5, "1"))
	f.eventually(func() bool { return f.pod("high").Status.NominatedNodeName == "node-1" })
	f.keep.Store(false)
	f.eventually(func() bool {
		f.clock.Step(time.Second)
		return f.pod("high").Spec.NodeName == "node-1"
	})
}

// While victims leave, the pod evicts nobody else.
func TestAPodWaitsForItsVictims(t *testing.T) {
	snapshot, profile := framework.NewSnapshot(), framework.DefaultProfile()
	for _, name := range []string{"node-1", "node-2"} {
		snapshot.SetNode(testNode(name, nodeResources("1", "4Gi"), nil))
		place(snapshot, urgent("low-on-"+name, 0, "1"), name)
	}
	pod := urgent("high", 5, "1")
	d := framework.Schedule(profile, snapshot, pod)
	require.Len(t, d.Preemption.Victims, 1)
	snapshot.Nominate(pod, d.Preemption.Node)
	leaving := d.Preemption.Victims[0].DeepCopy()
	leaving.DeletionTimestamp = &metav1.Time{Time: noon}
	leaving.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler,
	}}
	snapshot.AddPod(leaving)
	d = framework.Schedule(profile, snapshot, pod)
	require.Nil(t, d.Preemption)
	require.False(t, d.Withdrawn)
	require.Equal(t, "0/2 nodes are available: 2 Insufficient cpu. "+
		"preemption: not eligible due to a terminating pod on the nominated node.", d.Message)
	snapshot.RemovePod(leaving)
	d = framework.Schedule(profile, snapshot, pod)
	require.True(t, d.Nominated)
	require.Equal(t, d.Node+" has the room that was made for the pod", d.Reason())
}

// Among candidates those are found that violate no budget, even after enough others.
func TestBudgetsAreRespectedBeyondTheFirstCandidates(t *testing.T) {
	snapshot, profile := framework.NewSnapshot(), framework.DefaultProfile()
	profile.MinCandidateNodesAbsolute, profile.MinCandidateNodesPercentage = 1, 0
	for i := range 8 {
		name := fmt.Sprintf("n%d", i)
		snapshot.SetNode(testNode(name, nodeResources("1", "4Gi"), nil))
		low := urgent("low-"+name, 0, "1")
		if i == 3 {
			low.Labels = nil
		}
		place(snapshot, low, name)
	}
	snapshot.SetBudget(&policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		},
	})
	for i := range 8 {
		d := framework.Schedule(profile, snapshot, urgent(fmt.Sprint("high-", i), 5, "1"))
		require.Equal(t, "n3", d.Preemption.Node)
		require.Zero(t, d.Preemption.Violations)
	}
}
