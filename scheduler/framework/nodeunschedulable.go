package framework

import (
	corev1 "k8s.io/api/core/v1"
)

var nodeUnschedulableRow = plugin{
	name:  NodeUnschedulable,
	reads: []string{"spec.tolerations"}, // in TaintToleration's key
	check: checkNodeUnschedulable,
	helps: NodeAdded | NodeTaints,
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
