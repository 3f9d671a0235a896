package framework

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

var nodeNameRow = plugin{
	name:    NodeName,
	reads:   []string{"spec.nodeName"},
	key:     func(b []byte, _ *Profile, pod *corev1.Pod) []byte { return appendWord(b, pod.Spec.NodeName) },
	prepare: prepareNodeName,
	check:   checkNodeName,
	helps:   NodeAdded,
}

func prepareNodeName(s *shape, p *Profile, _ *Snapshot, pod *corev1.Pod) {
	s.nodeName = pod.Spec.NodeName
	if s.nodeName != "" && p.Filters[NodeName] {
		s.pin(NodeName, sets.New(s.nodeName))
	}
}

// checkNodeName: a pod that names its node goes there.
func checkNodeName(s *shape, n *NodeInfo) *Rejection {
	if s.nodeName == "" || s.nodeName == n.Node.Name {
		return nil
	}
	return reject(NodeName, true, "node(s) didn't match the requested node name")
}
