package scheduler

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

// Rejection is a filter's no to one node.
type Rejection struct {
	// Plugin is the filter's name.
	Plugin string `json:"plugin"`
	// Reasons are in upstream's words; a node that lacks two resources has two.
	Reasons []string `json:"reasons"`
	// Unresolvable: evicting pods from the node would not help.
	Unresolvable bool `json:"unresolvable,omitempty"`
	// OfPod: the no is to the pod, whatever the node; upstream's message counts no nodes then.
	OfPod bool `json:"ofPod,omitempty"`
}

// key tells rejections apart.
func (r *Rejection) key() string {
	if r == nil {
		return ""
	}
	resolvable := "+"
	if r.Unresolvable {
		resolvable = "-"
	}
	return r.Plugin + resolvable + strings.Join(r.Reasons, "\n")
}

// filter is one row of the table of filters: a plugin's name, its question to one node, and the changes to the
// cluster that can turn its no into a yes.
type filter struct {
	name  string
	check func(*shape, *NodeInfo) *Rejection // nil for a plugin that asks about all nodes at once
	helps Change
	// hint looks closer at a pod that came, went or changed; nil where each may help.
	hint func(*shape, Change, *corev1.Pod) bool
}

// compares reports whether the plugin judges a node by others: then a change at one node may help at another.
func (f *filter) compares() bool { return f.check == nil }

// filters are asked in this order, upstream's, and the first no counts.
func filters() []filter {
	return []filter{
		{name: NodeUnschedulable, check: checkNodeUnschedulable, helps: nodeAdded | nodeTaints},
		{name: NodeName, check: checkNodeName, helps: nodeAdded},
		{name: TaintToleration, check: checkTaintToleration, helps: nodeAdded | nodeTaints},
		{name: NodeAffinity, check: checkNodeAffinity, helps: nodeAdded | nodeLabels},
		{name: NodePorts, check: checkNodePorts, helps: nodeAdded | podRemoved},
		{name: NodeResourcesFit, check: checkNodeResourcesFit, helps: nodeAdded | nodeAllocatable | podRemoved},
		{name: VolumeRestrictions, check: checkVolumeRestrictions, helps: nodeAdded | podRemoved | volumesChanged},
		{name: VolumeBinding, check: checkVolumeBinding, helps: nodeAdded | nodeLabels | volumesChanged},
		{
			name:  PodTopologySpread,
			helps: nodeAdded | nodeRemoved | nodeLabels | nodeTaints | podRemoved | podPlaced,
			hint:  hintSpread,
		},
		{
			name:  InterPodAffinity,
			helps: nodeAdded | nodeRemoved | nodeLabels | podRemoved | podPlaced | namespacesLabelled,
			hint:  hintAffinity,
		},
	}
}

// checkNodeUnschedulable: a cordoned node takes only pods that tolerate being there.
func checkNodeUnschedulable(s *shape, n *NodeInfo) *Rejection {
	if !n.Node.Spec.Unschedulable {
		return nil
	}
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	if tolerated(s.tolerates, &cordon) {
		return nil
	}
	return reject(NodeUnschedulable, true, "node(s) were unschedulable")
}

// checkNodeName: a pod that names its node goes there.
func checkNodeName(s *shape, n *NodeInfo) *Rejection {
	if s.nodeName == "" || s.nodeName == n.Node.Name {
		return nil
	}
	return reject(NodeName, true, "node(s) didn't match the requested node name")
}

// checkTaintToleration: taints with NoSchedule or NoExecute keep out pods that do not tolerate them.
func checkTaintToleration(s *shape, n *NodeInfo) *Rejection {
	taint := firstUntolerated(n.Node.Spec.Taints, s.tolerates, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
	if taint == nil {
		return nil
	}
	return reject(TaintToleration, true, fmt.Sprintf("node(s) had untolerated taint {%s: %s}", taint.Key, taint.Value))
}

func firstUntolerated(
	taints []corev1.Taint, tolerations []corev1.Toleration, effects ...corev1.TaintEffect,
) *corev1.Taint {
	for i := range taints {
		for _, effect := range effects {
			if taints[i].Effect == effect && !tolerated(tolerations, &taints[i]) {
				return &taints[i]
			}
		}
	}
	return nil
}

func tolerated(tolerations []corev1.Toleration, taint *corev1.Taint) bool {
	return schedulinghelpers.TolerationsTolerateTaint(klog.Logger{}, tolerations, taint, true)
}

// checkNodeAffinity: what the configuration adds, nodeSelector, and the required terms of node affinity.
func checkNodeAffinity(s *shape, n *NodeInfo) *Rejection {
	if s.added != nil && !s.added.Match(n.Node) {
		return reject(NodeAffinity, true, "node(s) didn't match scheduler-enforced node affinity")
	}
	if match, err := s.required.Match(n.Node); match && err == nil {
		return nil
	}
	return reject(NodeAffinity, true, "node(s) didn't match Pod's node affinity/selector")
}

// checkNodePorts: a port of the node belongs to one pod at a time.
func checkNodePorts(s *shape, n *NodeInfo) *Rejection {
	for _, wanted := range s.ports {
		for taken := range n.ports {
			if wanted.conflicts(taken) {
				return reject(NodePorts, false, "node(s) didn't have free ports for the requested pod ports")
			}
		}
	}
	return nil
}

// checkNodeResourcesFit: what the pod requests is at most what the node has left. Only requests count, never limits
// or use. A request above all that the node has cannot be met by evicting others.
func checkNodeResourcesFit(s *shape, n *NodeInfo) *Rejection {
	var reasons []string
	unresolvable := false
	if n.requested.pods+1 > n.allocatable.pods {
		reasons = append(reasons, "Too many pods")
	}
	check := func(name corev1.ResourceName, wanted, allocatable, taken int64) {
		if wanted > 0 && wanted > allocatable-taken {
			reasons = append(reasons, "Insufficient "+string(name))
			unresolvable = unresolvable || wanted > allocatable
		}
	}
	want, have, used := &s.requests, &n.allocatable, &n.requested
	check(corev1.ResourceCPU, want.milliCPU, have.milliCPU, used.milliCPU)
	check(corev1.ResourceMemory, want.memory, have.memory, used.memory)
	check(corev1.ResourceEphemeralStorage, want.ephemeralStorage, have.ephemeralStorage, used.ephemeralStorage)
	for _, name := range s.extended {
		check(name, want.extended[name], have.extended[name], used.extended[name])
	}
	if reasons == nil {
		return nil
	}
	return reject(NodeResourcesFit, unresolvable, reasons...)
}

func reject(plugin string, unresolvable bool, reasons ...string) *Rejection {
	return &Rejection{Plugin: plugin, Reasons: reasons, Unresolvable: unresolvable}
}
