package framework

import (
	corev1 "k8s.io/api/core/v1"
)

var nodeNameRow = plugin{
	name:    NodeName,
	reads:   []string{"spec.nodeName"},
	key:     func(b []byte, _ *Profile, pod *corev1.Pod) []byte { return appendWord(b, pod.Spec.NodeName) },
	prepare: func(s *shape, _ *Profile, _ *Snapshot, pod *corev1.Pod) { s.nodeName = pod.Spec.NodeName },
	check:   checkNodeName,
	helps:   NodeAdded,
}

// checkNodeName: a pod that names its node goes there.
func checkNodeName(s *shape, n *NodeInfo) *Rejection {
	if s.nodeName == "" || s.nodeName == n.Node.Name {
		return nil
	}
	return reject(NodeName, true, "node(s) didn't match the requested node name")
}
