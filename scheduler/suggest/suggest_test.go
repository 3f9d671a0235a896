package suggest

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"minik.dev/scheduler/framework"
)

// sizedNode is a node of so many cores, sizedPod a pod that requests so many.
func sizedNode(name, cpu string, change func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu),
		corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("110")}
	if change != nil {
		change(n)
	}
	return n
}

func sizedPod(name, node, cpu string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}}
	p.Spec.NodeName, p.Spec.SchedulerName = node, framework.DefaultSchedulerName
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}}
	if change != nil {
		change(p)
	}
	return p
}

func TestSuggest(t *testing.T) {
	tainted := func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}}
	}
	cordoned := func(n *corev1.Node) {
		n.Spec.Unschedulable = true
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}}
	}
	ssd := func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} }
	type suggestion struct{ change, command, node string }
	for name, c := range map[string]struct {
		world World
		pod   *corev1.Pod
		want  []suggestion
	}{
		"it fits":          {World{Nodes: []*corev1.Node{sizedNode("a", "4", nil)}}, sizedPod("p", "", "1", nil), nil},
		"there is no node": {World{}, sizedPod("p", "", "1", nil), nil},
		"a node is cordoned, and another too small": {
			World{Nodes: []*corev1.Node{sizedNode("a", "4", cordoned), sizedNode("b", "500m", nil)}}, sizedPod("p", "", "1", nil),
			[]suggestion{{"uncordon node a", "uncordon a", "a"},
				{"lower the request of cpu of container c until the pod's is 500m in place of 1, as much as b has left", "", "b"}},
		},
		"a node is tainted": {
			World{Nodes: []*corev1.Node{sizedNode("a", "4", tainted)}}, sizedPod("p", "", "1", nil),
			[]suggestion{{"give the pod a toleration of taint gpu=yes:NoSchedule, as node a has it", "", "a"}},
		},
		"a node lacks a label": {
			World{Nodes: []*corev1.Node{sizedNode("a", "4", nil)}}, sizedPod("p", "", "1", ssd),
			[]suggestion{{"label node a with disk=ssd", "label node a disk=ssd --overwrite", "a"}},
		},
		"two changes would be needed": {
			World{Nodes: []*corev1.Node{sizedNode("a", "4", tainted)}}, sizedPod("p", "", "1", ssd), nil,
		},
		"the node with most room is the one": {
			World{Nodes: []*corev1.Node{sizedNode("a", "4", nil), sizedNode("b", "4", nil)},
				Pods: []*corev1.Pod{sizedPod("x", "a", "3", nil), sizedPod("y", "b", "2500m", nil)}},
			sizedPod("p", "", "2", nil),
			[]suggestion{{"lower the request of cpu of container c until the pod's is 1500m in place of 2, as much as b has left", "", "b"}},
		},
		"another container takes too much": {
			World{Nodes: []*corev1.Node{sizedNode("a", "1", nil)}},
			sizedPod("p", "", "2", func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, p.Spec.Containers[0]) }), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []suggestion
			for _, s := range Suggest(framework.DefaultProfile(), c.world, c.pod) {
				got = append(got, suggestion{s.Change, s.Command, s.Node})
			}
			require.Equal(t, c.want, got)
		})
	}
}

// Whatever is suggested, the pod fitted nowhere before, and Schedule places it after the change; the objects that were
// given are not changed.
func TestSuggestionsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w World
		for _, name := range []string{"a", "b", "c"} {
			n := sizedNode(name, rapid.SampledFrom([]string{"1", "2", "4"}).Draw(t, "size"), nil)
			n.Spec.Unschedulable = rapid.Bool().Draw(t, "cordoned")
			if rapid.Bool().Draw(t, "tainted") {
				n.Spec.Taints = []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}
			}
			w.Nodes = append(w.Nodes, n)
			w.Pods = append(w.Pods, sizedPod("on-"+name, name, "500m", nil))
		}
		pod := sizedPod("p", "", rapid.SampledFrom([]string{"1", "3", "9"}).Draw(t, "cpu"), func(p *corev1.Pod) {
			if rapid.Bool().Draw(t, "selects") {
				p.Spec.NodeSelector = map[string]string{"disk": "ssd"}
			}
		})
		before, nodes := pod.DeepCopy(), w.Nodes[0].DeepCopy()
		suggestions := Suggest(framework.DefaultProfile(), w, pod)
		require.Equal(t, before, pod)
		require.Equal(t, nodes, w.Nodes[0])
		if framework.Schedule(framework.DefaultProfile(), w.Snapshot(pod), pod).Node != "" {
			require.Empty(t, suggestions)
		}
		for _, s := range suggestions {
			require.Equal(t, s.Node, framework.Schedule(framework.DefaultProfile(), s.world.Snapshot(s.pod), s.pod).Node)
			require.NotEmpty(t, s.Node)
		}
	})
}
