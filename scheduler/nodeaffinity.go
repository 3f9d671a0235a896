package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// scoreNodeAffinity adds up the weights of the preferred terms that the node matches.
func scoreNodeAffinity(p *Profile, s *shape, n *NodeInfo) int64 {
	var sum int64
	if s.preferred != nil {
		sum += s.preferred.Score(n.Node)
	}
	if p.AddedAffinity.preferred != nil {
		sum += p.AddedAffinity.preferred.Score(n.Node)
	}
	return sum
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

// notPinned rejects the nodes that a pod for named nodes does not name. Upstream does not even ask them.
func notPinned() *Rejection {
	return reject(NodeAffinity, true, "node(s) didn't satisfy plugin(s) [NodeAffinity]")
}

// pins are the nodes named by required affinity of the form that DaemonSets use: each term has a matchFields
// requirement metadata.name In. Nil where some term leaves the node open.
func pins(pod *corev1.Pod) sets.Set[string] {
	a := pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	all := sets.New[string]()
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		var named sets.Set[string]
		for _, field := range term.MatchFields {
			if field.Key != metav1.ObjectNameField || field.Operator != corev1.NodeSelectorOpIn {
				continue
			}
			if names := sets.New(field.Values...); named == nil {
				named = names
			} else {
				named = named.Intersection(names)
			}
		}
		if named == nil {
			return nil
		}
		all = all.Union(named)
	}
	return all
}
