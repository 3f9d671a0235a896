package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Nominate notes that the pod waits for room on the node, which others leave for it. From then on it counts there for
// pods that do not go before it.
func (s *Snapshot) Nominate(pod *corev1.Pod, node string) Change {
	info := newPodInfo(pod)
	if s.nominations[pod.UID] == node {
		if known := s.nodes[node].nominated[pod.UID]; known.same(info) {
			known.pod = pod
			return 0
		}
	}
	happened := s.Unnominate(pod.UID)
	n := s.node(node)
	if n.nominated == nil {
		n.nominated = map[types.UID]*podInfo{}
	}
	info.terms = s.terms.take(pod)
	n.nominated[pod.UID] = info
	s.nominations[pod.UID] = node
	s.touch(n)
	return happened | podPlaced
}

// Unnominate takes a nomination back.
func (s *Snapshot) Unnominate(uid types.UID) Change {
	place, ok := s.nominations[uid]
	if !ok {
		return 0
	}
	n := s.nodes[place]
	s.terms.release(n.nominated[uid].terms)
	delete(n.nominated, uid)
	delete(s.nominations, uid)
	s.touch(n)
	s.forget(place, n)
	return podRemoved
}

// nominatedBelow are the pods nominated for the node that a pod of the priority goes before.
func (s *Snapshot) nominatedBelow(node string, priority int32) []*corev1.Pod {
	var pods []*corev1.Pod
	if n := s.existing(node); n != nil {
		for _, p := range n.nominated {
			if p.priority < priority {
				pods = append(pods, p.pod)
			}
		}
	}
	return pods
}
