package scheduler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"minik.dev/scheduler/framework"
)

// Random histories of nodes and pods: after each step the fast path, which remembers, the full table, which does
// not, and the reference, which knows nothing of either, give the same answer; and no node is ever given more than
// it has.
func TestScheduleAgreesWithExplainAndReference(t *testing.T) {
	for name, kinds := range map[string][]string{
		"all":      {"plain", "plain", "port", "selector", "prefers", "tolerates", "spread", "spread soft", "near", "urgent"},
		"affinity": {"near"},
		"full":     {"urgent"},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { newHistory(t, kinds).run() })
		})
	}
}

func newHistory(t *rapid.T, of []string) *history {
	return &history{
		T: t, snapshot: framework.NewSnapshot(), profile: framework.DefaultProfile(), of: of,
		nodes: map[string]*corev1.Node{}, namespaces: map[string]map[string]string{},
		budgets: map[string]*policyv1.PodDisruptionBudget{},
	}
}

func (h *history) run() {
	for range rapid.IntRange(1, 8).Draw(h.T, "nodes") {
		h.setNode()
	}
	for range rapid.IntRange(20, 50).Draw(h.T, "steps") {
		switch rapid.IntRange(0, 11).Draw(h.T, "step") {
		case 0:
			h.setNode()
		case 1:
			h.removeNode()
		case 2, 3:
			h.removePod()
		case 4:
			h.setNamespace()
			h.setBudget()
		case 5:
			h.retry()
		case 6:
			h.beginDeletion()
		default:
			h.schedule()
		}
	}
}

type history struct {
	*rapid.T
	snapshot *framework.Snapshot
	profile  *framework.Profile
	of       []string // kinds of pods
	nodes    map[string]*corev1.Node
	// The labels of namespaces.
	namespaces map[string]map[string]string
	pods       []*corev1.Pod // placed
	kinds      []*corev1.Pod // pods as they were made, to make more of
	made       int

	nominated []*corev1.Pod
	budgets   map[string]*policyv1.PodDisruptionBudget
}

func (h *history) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(h.T, label)
}

func (h *history) setNode() {
	node := h.node("n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8")
	h.nodes[node.Name] = node
	h.snapshot.SetNode(node)
}

// node is one of the names.
func (h *history) node(names ...string) *corev1.Node {
	list := nodeResources(h.pick("cpu", "1", "2", "4"), h.pick("memory", "1Gi", "4Gi"))
	list[corev1.ResourcePods] = resource.MustParse(h.pick("pods", "2", "110"))
	if h.pick("gpu", "no", "yes") == "yes" {
		list["nvidia.com/gpu"] = resource.MustParse("2")
	}
	labels := map[string]string{"disk": h.pick("disk", "ssd", "hdd")}
	if zone := h.pick("zone", "", "a", "b"); zone != "" {
		labels[corev1.LabelTopologyZone] = zone
	}
	node := testNode(h.pick("node", names...), list, labels)
	node.Spec.Unschedulable = rapid.IntRange(0, 7).Draw(h.T, "cordon") == 0
	switch h.pick("taint", "", "", "", "NoSchedule", "PreferNoSchedule") {
	case "NoSchedule":
		node.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
	case "PreferNoSchedule":
		node.Spec.Taints = []corev1.Taint{{Key: "old", Effect: corev1.TaintEffectPreferNoSchedule}}
	}
	if h.pick("image", "no", "yes") == "yes" {
		node.Status.Images = []corev1.ContainerImage{{
			Names: []string{"web:1", "web@sha256:1"}, SizeBytes: int64(rapid.IntRange(10, 2000).Draw(h.T, "size")) << 20,
		}}
	}
	return node
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

// beginDeletion is of a placed pod, which runs on for a while.
func (h *history) beginDeletion() {
	if len(h.pods) == 0 {
		return
	}
	i := rapid.IntRange(0, len(h.pods)-1).Draw(h.T, "pod")
	h.pods[i] = h.pods[i].DeepCopy()
	h.pods[i].DeletionTimestamp = &metav1.Time{Time: noon}
	h.snapshot.AddPod(h.pods[i])
}

// pod is one like an earlier one, or of a new kind.
func (h *history) pod() *corev1.Pod {
	h.made++
	var pod *corev1.Pod
	if len(h.kinds) > 0 && rapid.IntRange(0, 2).Draw(h.T, "again") > 0 {
		pod = rapid.SampledFrom(h.kinds).Draw(h.T, "like").DeepCopy()
	} else {
		pod = h.newKind()
		h.kinds = append(h.kinds, pod.DeepCopy())
	}
	pod.Name = fmt.Sprintf("p%d", h.made)
	pod.UID = types.UID(fmt.Sprintf("%d", rapid.IntRange(0, 1<<30).Draw(h.T, "uid")<<8|h.made))
	return pod
}

func (h *history) newKind() *corev1.Pod {
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
	pod := testPod("kind", requests)
	pod.Spec.Containers[0].Image = h.pick("of image", "web:1", "web:2")
	if h.pick("owner", "web", "web", "none") == "none" {
		pod.OwnerReferences = nil
	}
	switch h.pick("kind", h.of...) {
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
	case "urgent":
		requests[corev1.ResourceCPU] = resource.MustParse(h.pick("much", "500m", "900m", "1900m"))
		priority := int32(rapid.IntRange(-1, 4).Draw(h.T, "priority"))
		pod.Spec.Priority = &priority
		pod.Labels["app"] = h.pick("app", "web", "other")
		switch h.pick("urgent and", "no more", "no more", "spread", "lonely") {
		case "spread":
			pod.Spec.TopologySpreadConstraints = h.constraints(corev1.DoNotSchedule)
		case "lonely":
			pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: onHost(h.pick("lonely", "web", "other")),
			}}
		}
	case "near":
		pod.Labels["app"], pod.Labels["version"] = h.pick("app", "web", "other"), h.pick("version", "1", "2")
		pod.Namespace = h.pick("namespace", "default", "default", "team")
		pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{}, PodAntiAffinity: &corev1.PodAntiAffinity{}}
		for range rapid.IntRange(1, 2).Draw(h.T, "terms") {
			h.term(pod.Spec.Affinity)
		}
	}
	return pod
}

// term adds a term on other pods.
func (h *history) term(a *corev1.Affinity) {
	t := corev1.PodAffinityTerm{
		TopologyKey:   h.pick("key", corev1.LabelHostname, corev1.LabelTopologyZone, "disk"),
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": h.pick("term app", "web", "other")}},
	}
	switch h.pick("term namespaces", "own", "own", "named", "selected", "all") {
	case "named":
		t.Namespaces = []string{"team"}
	case "selected":
		t.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"env": "test"}}
	case "all":
		t.NamespaceSelector = &metav1.LabelSelector{}
	}
	switch h.pick("term keys", "none", "none", "match", "mismatch") {
	case "match":
		t.MatchLabelKeys = []string{"version", "absent"}
	case "mismatch":
		t.MismatchLabelKeys = []string{"version"}
	}
	weighted := corev1.WeightedPodAffinityTerm{Weight: int32(rapid.IntRange(1, 9).Draw(h.T, "weight")), PodAffinityTerm: t}
	near, away := a.PodAffinity, a.PodAntiAffinity
	switch h.pick("term kind", "needs", "avoids", "likes", "dislikes") {
	case "needs":
		near.RequiredDuringSchedulingIgnoredDuringExecution = append(near.RequiredDuringSchedulingIgnoredDuringExecution, t)
	case "avoids":
		away.RequiredDuringSchedulingIgnoredDuringExecution = append(away.RequiredDuringSchedulingIgnoredDuringExecution, t)
	case "likes":
		near.PreferredDuringSchedulingIgnoredDuringExecution = append(
			near.PreferredDuringSchedulingIgnoredDuringExecution, weighted)
	case "dislikes":
		away.PreferredDuringSchedulingIgnoredDuringExecution = append(
			away.PreferredDuringSchedulingIgnoredDuringExecution, weighted)
	}
}

func (h *history) setNamespace() {
	namespace := h.namespace()
	h.namespaces[namespace.Name] = namespace.Labels
	h.snapshot.SetNamespace(namespace)
}

func (h *history) namespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: h.pick("namespace", "default", "team"), Labels: map[string]string{"env": h.pick("env", "test", "live")},
	}}
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
	if when == corev1.DoNotSchedule && h.pick("taints", "ignore", "honor") == "honor" {
		honor := corev1.NodeInclusionPolicyHonor
		c.NodeTaintsPolicy = &honor
	}
	both := []corev1.TopologySpreadConstraint{c}
	if h.pick("second", "no", "yes") == "yes" {
		c.TopologyKey, c.MinDomains, c.NodeTaintsPolicy = corev1.LabelTopologyZone, nil, nil
		c.WhenUnsatisfiable = corev1.ScheduleAnyway
		if both[0].TopologyKey != c.TopologyKey || when != c.WhenUnsatisfiable {
			both = append(both, c)
		}
	}
	return both
}

func (h *history) setBudget() {
	b := h.budget()
	h.budgets[b.Name] = b
	h.snapshot.SetBudget(b)
}

func (h *history) budget() *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: h.pick("budget", "a", "b")},
		Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{
			MatchLabels: map[string]string{"app": h.pick("budget app", "web", "other")},
		}},
		Status: policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: int32(rapid.IntRange(0, 2).Draw(h.T, "allowed"))},
	}
}

func (h *history) schedule() { h.decide(h.pod()) }

// retry decides again about a nominated pod.
func (h *history) retry() {
	if len(h.nominated) > 0 {
		i := rapid.IntRange(0, len(h.nominated)-1).Draw(h.T, "nominated")
		h.decide(h.nominated[i])
	}
}

func (h *history) decide(pod *corev1.Pod) {
	d := framework.Schedule(h.profile, h.snapshot, pod)
	require.Equal(h, framework.Explain(h.profile, h.snapshot, pod).Decision, d, "Explain and Schedule")
	require.Equal(h, d, framework.Schedule(h.profile, h.snapshot, pod), "the same question again")

	r := &reference{pods: h.pods, namespaces: h.namespaces, nominated: h.nominated}
	for _, node := range h.nodes {
		r.nodes = append(r.nodes, node)
	}
	for _, b := range h.budgets {
		r.budgets = append(r.budgets, b)
	}
	want := r.schedule(pod)
	got := referenceAnswer{node: d.Node, feasible: d.Feasible, tied: d.Tied, message: d.Message}
	if d.Node != "" {
		got.score = d.Best[0].Score
	}
	if d.Preemption != nil {
		got.victims = fmt.Sprint(d.Preemption.Node, d.Preemption.Violations)
		for _, v := range d.Preemption.Victims {
			got.victims += " " + v.Name
		}
	}
	require.Equal(h, want, got, "Schedule and the reference")
	switch {
	case d.Node != "":
		h.dropNomination(pod)
		placed := pod.DeepCopy()
		placed.Spec.NodeName = d.Node
		start := metav1.NewTime(noon.Add(time.Duration(rapid.IntRange(0, 3).Draw(h.T, "start")) * time.Minute))
		placed.Status.StartTime = &start
		h.pods = append(h.pods, placed)
		h.snapshot.AddPod(placed)
	case d.Preemption != nil:
		h.dropNomination(pod)
		nominated := pod.DeepCopy()
		nominated.Status.NominatedNodeName = d.Preemption.Node
		h.nominated = append(h.nominated, nominated)
		h.snapshot.Nominate(nominated, d.Preemption.Node)
		if rapid.Bool().Draw(h.T, "evict at once") {
			for _, v := range d.Preemption.Victims {
				h.snapshot.RemovePod(v)
				h.pods = slices.DeleteFunc(h.pods, func(p *corev1.Pod) bool { return p.UID == v.UID })
			}
		}
	case d.Withdrawn:
		h.dropNomination(pod)
		h.snapshot.Unnominate(pod.UID)
	}
}

func (h *history) dropNomination(pod *corev1.Pod) {
	h.nominated = slices.DeleteFunc(h.nominated, func(p *corev1.Pod) bool { return p.UID == pod.UID })
}
