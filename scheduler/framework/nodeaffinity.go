package framework

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

var nodeAffinityRow = plugin{
	name:      NodeAffinity,
	reads:     []string{"spec.nodeSelector", "spec.affinity.nodeAffinity"},
	key:       appendNodeAffinity,
	prepare:   prepareNodeAffinity,
	check:     checkNodeAffinity,
	helps:     NodeAdded | NodeLabels,
	weight:    2,
	score:     scoreNodeAffinity,
	normalize: normalizeToMost,
}

func appendNodeAffinity(b []byte, _ *Profile, pod *corev1.Pod) []byte {
	b = append(b, 'a')
	if len(pod.Spec.NodeSelector) > 0 {
		b = appendJSON(b, pod.Spec.NodeSelector)
	}
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		b = appendJSON(b, a.NodeAffinity)
	}
	return b
}

func prepareNodeAffinity(s *shape, p *Profile, _ *Snapshot, pod *corev1.Pod) {
	s.required, s.added = nodeaffinity.GetRequiredNodeAffinity(pod), p.AddedAffinity.Required
	if named := pins(pod); named != nil && p.Filters[NodeAffinity] {
		if len(named) == 0 {
			s.refuse(NodeAffinity, "pod affinity terms conflict")
		}
		s.pin(NodeAffinity, named)
	}
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		// The API server refuses terms that cannot be read, so an error can only mean that nothing is preferred.
		s.preferred, _ = nodeaffinity.NewPreferredSchedulingTerms(
			a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
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

// scoreNodeAffinity adds up the weights of the preferred terms that the node matches.
func scoreNodeAffinity(p *Profile, s *shape, n *NodeInfo) int64 {
	var sum int64
	if s.preferred != nil {
		sum += s.preferred.Score(n.Node)
	}
	if p.AddedAffinity.Preferred != nil {
		sum += p.AddedAffinity.Preferred.Score(n.Node)
	}
	return sum
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
