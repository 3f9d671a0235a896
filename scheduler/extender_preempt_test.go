package scheduler

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/scheduler/framework"
)

// full is a scheduler with an extender that is asked about evictions only, and three nodes, each full with a pod of lower
// priority: low-1, low-2 and low-3.
func full(t *testing.T, o *outside, more string) *fixture {
	c, err := parseConfiguration([]byte(configurationHead + fmt.Sprintf(`
extenders: [{urlPrefix: "%s/say", preemptVerb: preempt, %s}]`, o.URL, more)))
	require.NoError(t, err)
	f := startWith(t, c)
	for i := range 3 {
		node, pod := fmt.Sprintf("node-%d", i+1), urgent(fmt.Sprintf("low-%d", i+1), int32(i), "1")
		f.addNode(testNode(node, nodeResources("1", "4Gi"), nil))
		pod.Spec.NodeName = node
		f.create(pod)
	}
	return f
}

// An extender strikes nodes off on which pods would be evicted. Without it the pod of the lowest priority would go.
func TestExtendersHaveASayInPreemption(t *testing.T) {
	for _, cached := range []bool{false, true} {
		o := startOutside(t)
		o.preempt = func(question map[string][]string) map[string][]string {
			if len(question) != 3 || question["node-1"][0] != "uid-of-low-1" {
				return nil
			}
			delete(question, "node-1")
			return question
		}
		f := full(t, o, fmt.Sprintf("nodeCacheCapable: %v", cached))
		f.create(urgent("high", 9, "1"))
		f.eventually(func() bool { return f.pod("high").Spec.NodeName == "node-2" })
		require.Equal(t, "node-1", f.pod("low-1").Spec.NodeName, "it stays")
	}
}

// What cannot be is an error of the attempt; where all nodes are struck off, nobody is evicted.
func TestExtendersThatAllowNoPreemption(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer map[string][]string
		more   string
		reason string
		says   string
	}{
		{"nothing", nil, "", corev1.PodReasonUnschedulable, "preemption: no candidate node for preemption"},
		{"nobody", map[string][]string{"node-1": nil}, "", corev1.PodReasonSchedulerError,
			`expected at least one victim pod on node "node-1"`},
		{"a stranger", map[string][]string{"node-1": {"uid-of-low-2"}}, "", corev1.PodReasonSchedulerError,
			"claims to preempt pod (UID: uid-of-low-2) on node node-1, but the pod is not found on that node"},
		{"elsewhere", map[string][]string{"node-9": {"uid-of-low-2"}}, "", corev1.PodReasonSchedulerError,
			`node "node-9" is none that it was asked about`},
		{"a stranger, ignorable", map[string][]string{"node-1": {"uid-of-low-2"}}, "ignorable: true",
			corev1.PodReasonUnschedulable, "preemption: no candidate node for preemption"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := startOutside(t)
			o.preempt = func(map[string][]string) map[string][]string { return c.answer }
			f := full(t, o, c.more)
			f.create(urgent("high", 9, "1"))
			f.eventually(func() bool {
				said := scheduledCondition(f.pod("high"))
				return said.Reason == c.reason && strings.Contains(said.Message, c.says)
			})
			for _, name := range []string{"low-1", "low-2", "low-3"} {
				require.NotEmpty(t, f.pod(name).Spec.NodeName)
			}
			require.Empty(t, f.pod("high").Status.NominatedNodeName)
		})
	}
}

// An extender that fails and may be ignored is: the decision stands. One that names more victims has them evicted.
func TestExtendersChangeVictims(t *testing.T) {
	o := startOutside(t)
	o.broken.Store(true)
	f := full(t, o, "ignorable: true")
	f.create(urgent("high", 9, "1"))
	f.eventually(func() bool { return f.pod("high").Spec.NodeName == "node-1" })

	pods := map[string]*corev1.Pod{"a": testPod("a", nil), "b": testPod("b", nil)}
	on := places{"node-1": {"uid-of-a": pods["a"], "uid-of-b": pods["b"]}}
	o.broken.Store(false)
	o.preempt = func(map[string][]string) map[string][]string {
		return map[string][]string{"node-1": {"uid-of-a", "uid-of-b"}}
	}
	c, err := parseConfiguration([]byte(configurationHead + fmt.Sprintf(`
extenders: [{urlPrefix: "%s", preemptVerb: preempt}]`, o.URL)))
	require.NoError(t, err)
	left, err := askPreemptors(t.Context(), c.Extenders, testPod("web", nil),
		[]*framework.Preemption{{Node: "node-1", Victims: []*corev1.Pod{pods["a"]}}}, on)
	require.NoError(t, err)
	require.Equal(t, []*framework.Preemption{{Node: "node-1", Victims: []*corev1.Pod{pods["a"], pods["b"]}}}, left)
}
