// Package suggest finds single changes that would make a pod fit which fits nowhere.
//
//  1. A [World] is the cluster as a question is asked of it, now or at a past revision.
//  2. [Suggest] asks framework.Explain which plugins keep the pod from which nodes, and of each plugin that one change can
//     satisfy it makes that change: to a copy of the node, or of the pod.
//  3. Each change is tried with framework.Schedule. What does not place the pod is no suggestion.
//
// Upstream is whoever answers why a pod has no node; downstream is the person who reads it. Real Kubernetes says only what is
// wrong, in the pod's condition and Events.
package suggest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelpers "k8s.io/component-helpers/resource"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"minik.dev/scheduler/framework"
)

// World is a cluster as a question is asked of it: all that decisions look at.
type World struct {
	Nodes      []*corev1.Node
	Pods       []*corev1.Pod
	Namespaces []*corev1.Namespace
	Budgets    []*policyv1.PodDisruptionBudget
	Claims     []*corev1.PersistentVolumeClaim
	Volumes    []*corev1.PersistentVolume
	Classes    []*storagev1.StorageClass
}

// Snapshot is the world as decisions see it, without the pod that is asked about.
func (w World) Snapshot(without *corev1.Pod) *framework.Snapshot {
	s := framework.NewSnapshot()
	for _, namespace := range w.Namespaces {
		s.SetNamespace(namespace)
	}
	for _, budget := range w.Budgets {
		s.SetBudget(budget)
	}
	for _, claim := range w.Claims {
		s.SetClaim(claim)
	}
	for _, volume := range w.Volumes {
		s.SetVolume(volume)
	}
	for _, class := range w.Classes {
		s.SetClass(class)
	}
	for _, node := range w.Nodes {
		s.SetNode(node)
	}
	for _, pod := range w.Pods {
		switch {
		case pod.Spec.NodeName == "" && pod.Status.NominatedNodeName != "" && pod.DeletionTimestamp == nil:
			s.Nominate(pod, pod.Status.NominatedNodeName)
		case pod.Spec.NodeName != "" && pod.UID != without.UID:
			s.AddPod(pod)
		}
	}
	return s
}

// Suggestion is one change by which a pod that fits nowhere would fit.
type Suggestion struct {
	// Change says what to change, Command how, where one command does it.
	Change  string `json:"change"`
	Command string `json:"command,omitempty"`
	// Node is where the pod would go then.
	Node string `json:"node"`

	world World
	pod   *corev1.Pod
}

// triedAtMost bounds how many changes of one kind are tried.
const triedAtMost = 20

// Suggest finds single changes that make a pod fit which fits nowhere, the smallest kind first: to uncordon a node, to
// tolerate a taint, to label a node, to request less. Each was tried: Schedule places the changed pod, or the pod in the
// changed cluster. At most one of each kind and each subject is given.
func Suggest(p *framework.Profile, w World, pod *corev1.Pod) []Suggestion {
	e := framework.Explain(p, w.Snapshot(pod), pod)
	if e.Decision.Node != "" {
		return nil
	}
	rejected := e.Nodes
	var out []Suggestion
	for _, kind := range []func(World, *corev1.Pod, []framework.NodeExplanation) []Suggestion{uncordon, tolerate, label, requestLess} {
		for i, s := range kind(w, pod, rejected) {
			if i == triedAtMost {
				break
			}
			if d := framework.Schedule(p, s.world.Snapshot(s.pod), s.pod); d.Node != "" {
				s.Node = d.Node
				out = append(out, s)
				break
			}
		}
	}
	return out
}

// rejectedBy are the nodes that the plugin keeps the pod from.
func rejectedBy(w World, rejected []framework.NodeExplanation, plugin string) []*corev1.Node {
	names := map[string]bool{}
	for _, n := range rejected {
		names[n.Node] = slices.ContainsFunc(n.Rejections, func(r framework.Rejection) bool { return r.Plugin == plugin })
	}
	var nodes []*corev1.Node
	for _, node := range w.Nodes {
		if names[node.Name] {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// with is the world in which one node is another.
func (w World) with(changed *corev1.Node) World {
	nodes := slices.Clone(w.Nodes)
	for i, node := range nodes {
		if node.Name == changed.Name {
			nodes[i] = changed
		}
	}
	w.Nodes = nodes
	return w
}

func uncordon(w World, pod *corev1.Pod, rejected []framework.NodeExplanation) []Suggestion {
	var out []Suggestion
	for _, node := range rejectedBy(w, rejected, framework.NodeUnschedulable) {
		changed := node.DeepCopy()
		changed.Spec.Unschedulable = false
		changed.Spec.Taints = slices.DeleteFunc(changed.Spec.Taints, func(t corev1.Taint) bool {
			return t.Key == corev1.TaintNodeUnschedulable
		})
		out = append(out, Suggestion{Change: "uncordon node " + node.Name, Command: "uncordon " + node.Name,
			world: w.with(changed), pod: pod})
	}
	return out
}

func tolerate(w World, pod *corev1.Pod, rejected []framework.NodeExplanation) []Suggestion {
	var out []Suggestion
	tried := map[corev1.Taint]bool{}
	for _, node := range rejectedBy(w, rejected, framework.TaintToleration) {
		taint, found := schedulinghelpers.FindMatchingUntoleratedTaint(klog.Logger{}, node.Spec.Taints, pod.Spec.Tolerations,
			func(t *corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }, true)
		if !found {
			continue
		}
		// A taint that a controller keeps says that something is wrong with the node.
		key := corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect}
		if tried[key] || strings.HasPrefix(taint.Key, "node.kubernetes.io/") {
			continue
		}
		tried[key] = true
		changed := pod.DeepCopy()
		changed.Spec.Tolerations = append(changed.Spec.Tolerations, corev1.Toleration{Key: taint.Key, Value: taint.Value,
			Operator: corev1.TolerationOpEqual, Effect: taint.Effect})
		out = append(out, Suggestion{Change: fmt.Sprintf("give the pod a toleration of taint %s, as node %s has it",
			taint.ToString(), node.Name), world: w, pod: changed})
	}
	return out
}

// label offers the one label of the pod's nodeSelector that a node lacks.
func label(w World, pod *corev1.Pod, rejected []framework.NodeExplanation) []Suggestion {
	var out []Suggestion
	for _, node := range rejectedBy(w, rejected, framework.NodeAffinity) {
		for _, key := range slices.Sorted(maps.Keys(pod.Spec.NodeSelector)) {
			value := pod.Spec.NodeSelector[key]
			if node.Labels[key] == value {
				continue
			}
			changed := node.DeepCopy()
			if changed.Labels == nil {
				changed.Labels = map[string]string{}
			}
			changed.Labels[key] = value
			out = append(out, Suggestion{Change: fmt.Sprintf("label node %s with %s=%s", node.Name, key, value),
				Command: fmt.Sprintf("label node %s %s=%s --overwrite", node.Name, key, value), world: w.with(changed), pod: pod})
		}
	}
	return out
}

// requestLess offers what the nodes have left of one resource, the most first.
func requestLess(w World, pod *corev1.Pod, rejected []framework.NodeExplanation) []Suggestion {
	left := w.left(pod)
	wanted := resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{})
	var out []Suggestion
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		nodes := slices.DeleteFunc(rejectedBy(w, rejected, framework.NodeResourcesFit), func(node *corev1.Node) bool {
			have := left[node.Name][name]
			want := wanted[name]
			return have.Sign() < 0 || have.Cmp(want) >= 0
		})
		slices.SortStableFunc(nodes, func(a, b *corev1.Node) int {
			more := left[b.Name][name]
			return more.Cmp(left[a.Name][name])
		})
		for _, node := range nodes {
			total, have := wanted[name], left[node.Name][name]
			if changed, container := lowered(pod, name, total, have); changed != nil {
				out = append(out, Suggestion{world: w, pod: changed, Change: fmt.Sprintf(
					"lower the request of %s of container %s until the pod's is %s in place of %s, as much as %s has left",
					name, container, have.String(), total.String(), node.Name)})
			}
		}
	}
	return out
}

// left is what each node has left for another pod.
func (w World) left(without *corev1.Pod) map[string]corev1.ResourceList {
	left := map[string]corev1.ResourceList{}
	for _, node := range w.Nodes {
		left[node.Name] = node.Status.Allocatable.DeepCopy()
	}
	for _, pod := range w.Pods {
		list, ok := left[pod.Spec.NodeName]
		if !ok || pod.UID == without.UID || framework.Ended(pod) {
			continue
		}
		for name, used := range resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{}) {
			quantity := list[name]
			quantity.Sub(used)
			list[name] = quantity
		}
	}
	return left
}

// lowered is the pod with less of a resource requested by the container that requests most of it; nil where that alone
// does not suffice.
func lowered(pod *corev1.Pod, name corev1.ResourceName, total, to resource.Quantity) (*corev1.Pod, string) {
	changed := pod.DeepCopy()
	most := -1
	for i := range changed.Spec.Containers {
		request := changed.Spec.Containers[i].Resources.Requests[name]
		if most < 0 || request.Cmp(changed.Spec.Containers[most].Resources.Requests[name]) > 0 {
			most = i
		}
	}
	if most < 0 {
		return nil, ""
	}
	container := &changed.Spec.Containers[most]
	request, ok := container.Resources.Requests[name]
	if !ok {
		return nil, ""
	}
	less := total.DeepCopy()
	less.Sub(to)
	request.Sub(less)
	if request.Sign() < 0 {
		return nil, ""
	}
	container.Resources.Requests[name] = request
	return changed, container.Name
}
