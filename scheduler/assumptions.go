package scheduler

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// assumption is a pod that counts as placed although no event has shown it on its node yet.
type assumption struct {
	sequence uint64      // of the decision
	pod      *corev1.Pod // with the node's name
}

// assumptions are the pods whose bindings are under way.
type assumptions struct {
	pods      map[types.UID]assumption
	sequences []uint64 // theirs, increasing: every record of a decision names them
}

func (a *assumptions) has(uid types.UID) bool {
	_, ok := a.pods[uid]
	return ok
}

// add takes in an assumption, which is newer than the others, and than what was assumed of the same pod.
func (a *assumptions) add(one assumption) {
	a.remove(one.pod.UID)
	a.pods[one.pod.UID] = one
	a.sequences = append(a.sequences, one.sequence)
}

// remove takes out the pod's assumption and returns it, if there is one.
func (a *assumptions) remove(uid types.UID) (assumption, bool) {
	one, ok := a.pods[uid]
	if !ok {
		return assumption{}, false
	}
	delete(a.pods, uid)
	if i, found := slices.BinarySearch(a.sequences, one.sequence); found {
		a.sequences = slices.Delete(a.sequences, i, i+1)
	}
	return one, true
}
