package scheduler

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

// Random histories of nodes and pods: after each step the fast path, which remembers, the full table, which does
// not, and the reference, which knows nothing of either, give the same answer; and no node is ever given more than
// it has.
func TestScheduleAgreesWithExplainAndReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{T: t, snapshot: NewSnapshot(), profile: DefaultProfile(), nodes: map[string]*corev1.Node{}}
		for range rapid.IntRange(1, 8).Draw(t, "nodes") {
			h.setNode()
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				h.setNode()
			case 1:
				h.removeNode()
			case 2, 3:
				h.removePod()
			default:
				h.schedule()
			}
		}
	})
}

type history struct {
	*rapid.T
	snapshot *Snapshot
	profile  *Profile
	nodes    map[string]*corev1.Node
	pods     []*corev1.Pod // placed
	made     int
}

func (h *history) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(h.T, label)
}

func (h *history) setNode() {
	list := nodeResources(h.pick("cpu", "1", "2", "4"), h.pick("memory", "1Gi", "4Gi"))
	list[corev1.ResourcePods] = resource.MustParse(h.pick("pods", "2", "110"))
	if h.pick("gpu", "no", "yes") == "yes" {
		list["nvidia.com/gpu"] = resource.MustParse("2")
	}
	labels := map[string]string{"disk": h.pick("disk", "ssd", "hdd")}
	if zone := h.pick("zone", "", "a", "b"); zone != "" {
		labels[corev1.LabelTopologyZone] = zone
	}
	node := testNode(h.pick("node", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"), list, labels)
	node.Spec.Unschedulable = rapid.IntRange(0, 7).Draw(h.T, "cordon") == 0
	switch h.pick("taint", "", "", "", "NoSchedule", "PreferNoSchedule") {
	case "NoSchedule":
		node.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
	case "PreferNoSchedule":
		node.Spec.Taints = []corev1.Taint{{Key: "old", Effect: corev1.TaintEffectPreferNoSchedule}}
	}
	h.nodes[node.Name] = node
	h.snapshot.SetNode(node)
}

func (h *history) removeNode() {
	name := h.pick("node", "n1", "n2", "n3", "n4")
	if node, ok := h.nodes[name]; ok {
		delete(h.nodes, name)
		h.snapshot.RemoveNode(node)
	}
}

func (h *history) removePod() {
	if len(h.pods) == 0 {
		return
	}
	i := rapid.IntRange(0, len(h.pods)-1).Draw(h.T, "pod")
	h.snapshot.RemovePod(h.pods[i])
	h.pods = append(h.pods[:i:i], h.pods[i+1:]...)
}

// pod is one of the few shapes that many pods share, or a variation.
func (h *history) pod() *corev1.Pod {
	h.made++
	requests := corev1.ResourceList{}
	if cpu := h.pick("request cpu", "", "100m", "500m"); cpu != "" {
		requests[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory := h.pick("request memory", "", "256Mi", "1Gi"); memory != "" {
		requests[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	if rapid.IntRange(0, 5).Draw(h.T, "request gpu") == 0 {
		requests["nvidia.com/gpu"] = resource.MustParse("1")
	}
	pod := testPod(fmt.Sprintf("p%d", h.made), requests)
	pod.UID = types.UID(fmt.Sprintf("%d", rapid.IntRange(0, 1<<30).Draw(h.T, "uid")<<8|h.made))
	if h.pick("owner", "web", "web", "none") == "none" {
		pod.OwnerReferences = nil
	}
	switch h.pick("kind", "plain", "plain", "port", "selector", "prefers", "tolerates", "spread", "spread soft") {
	case "port":
		pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
	case "selector":
		pod.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	case "prefers":
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
				Weight: 7, Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: "disk", Operator: corev1.NodeSelectorOpIn, Values: []string{"ssd"},
				}}},
			}},
		}}
	case "tolerates":
		pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	case "spread":
		pod.Spec.TopologySpreadConstraints = h.constraints(corev1.DoNotSchedule)
	case "spread soft":
		pod.Spec.TopologySpreadConstraints = h.constraints(corev1.ScheduleAnyway)
	}
	return pod
}

func (h *history) constraints(when corev1.UnsatisfiableConstraintAction) []corev1.TopologySpreadConstraint {
	c := corev1.TopologySpreadConstraint{
		MaxSkew:           int32(rapid.IntRange(1, 2).Draw(h.T, "skew")),
		TopologyKey:       h.pick("key", corev1.LabelHostname, corev1.LabelTopologyZone, "disk"),
		WhenUnsatisfiable: when,
		LabelSelector:     &metav1.LabelSelector{MatchLabels: map[string]string{"app": h.pick("app", "web", "other")}},
	}
	if when == corev1.DoNotSchedule && h.pick("min domains", "no", "yes") == "yes" {
		two := int32(2)
		c.MinDomains = &two
	}
	both := []corev1.TopologySpreadConstraint{c}
	if h.pick("second", "no", "yes") == "yes" {
		c.TopologyKey, c.MinDomains = corev1.LabelTopologyZone, nil
		c.WhenUnsatisfiable = corev1.ScheduleAnyway
		if both[0].TopologyKey != c.TopologyKey || when != c.WhenUnsatisfiable {
			both = append(both, c)
		}
	}
	return both
}

func (h *history) schedule() {
	pod := h.pod()
	d := Schedule(h.profile, h.snapshot, pod)
	require.Equal(h, Explain(h.profile, h.snapshot, pod).Decision, d, "Explain and Schedule")
	require.Equal(h, d, Schedule(h.profile, h.snapshot, pod), "the same question again")

	r := &reference{pods: h.pods}
	for _, node := range h.nodes {
		r.nodes = append(r.nodes, node)
	}
	want := r.schedule(pod)
	got := referenceAnswer{node: d.Node, feasible: d.Feasible, tied: d.Tied}
	if d.Node != "" {
		got.score = d.Best[0].Score
	}
	got.message, _, _ = strings.Cut(d.Message, " preemption:")
	require.Equal(h, want, got, "Schedule and the reference")
	if d.Node == "" {
		return
	}
	placed := pod.DeepCopy()
	placed.Spec.NodeName = d.Node
	h.pods = append(h.pods, placed)
	h.snapshot.AddPod(placed)
}

// A node that is asked again after pods came and went holds no more than it has.
func TestNeverOverCommitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshot, profile := NewSnapshot(), DefaultProfile()
		for i := range 3 {
			snapshot.SetNode(testNode(fmt.Sprintf("n%d", i), nodeResources("2", "2Gi"), nil))
		}
		var placed []*corev1.Pod
		for i := range rapid.IntRange(1, 60).Draw(t, "pods") {
			cpu := rapid.SampledFrom([]string{"100m", "500m", "1500m"}).Draw(t, "cpu")
			pod := testPod(fmt.Sprint(i), resources(cpu, "100Mi"))
			if d := Schedule(profile, snapshot, pod); d.Node != "" {
				pod.Spec.NodeName = d.Node
				snapshot.AddPod(pod)
				placed = append(placed, pod)
			}
			if len(placed) > 0 && rapid.Bool().Draw(t, "remove") {
				snapshot.RemovePod(placed[0])
				placed = placed[1:]
			}
			for _, n := range snapshot.Nodes() {
				require.LessOrEqual(t, n.requested.milliCPU, n.allocatable.milliCPU)
				require.LessOrEqual(t, n.requested.memory, n.allocatable.memory)
			}
		}
	})
}
