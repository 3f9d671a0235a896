package replicaset

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/controllers/podstate"
)

// deletionRank is what decides which of several pods goes first: the smaller rank. The fields are compared in order, as
// upstream's documentation of the ReplicaSet has it.
type deletionRank struct {
	pod *corev1.Pod
	// neighbours is how many pods of the same owner, of all its ReplicaSets, run on the pod's node.
	neighbours int
}

// before orders a before b where a is to be deleted first.
func (a deletionRank) before(b deletionRank, now time.Time) int {
	aSince, aReady := podstate.ReadySince(a.pod)
	bSince, bReady := podstate.ReadySince(b.pod)
	order := cmp.Or(
		cmp.Compare(btoi(a.pod.Spec.NodeName != ""), btoi(b.pod.Spec.NodeName != "")), // without a node first
		cmp.Compare(phaseRank(a.pod), phaseRank(b.pod)),                               // pending, unknown, running
		cmp.Compare(btoi(aReady), btoi(bReady)),                                       // not ready first
		cmp.Compare(deletionCost(a.pod), deletionCost(b.pod)),                         // cheap first
		cmp.Compare(b.neighbours, a.neighbours),                                       // doubled up first
	)
	if order != 0 {
		return order
	}
	if aReady && !aSince.Equal(bSince) {
		return youngerFirst(aSince, bSince, a.pod, b.pod, now)
	}
	if order := cmp.Compare(restarts(b.pod), restarts(a.pod)); order != 0 { // more restarts first
		return order
	}
	aMade, bMade := a.pod.CreationTimestamp.Time, b.pod.CreationTimestamp.Time
	if !aMade.Equal(bMade) {
		return youngerFirst(aMade, bMade, a.pod, b.pod, now)
	}
	return cmp.Compare(a.pod.Name, b.pod.Name)
}

// describe says what puts the pod where it stands in the order.
func (r deletionRank) describe() string {
	_, ready := podstate.ReadySince(r.pod)
	cost := deletionCost(r.pod)
	switch {
	case r.pod.Spec.NodeName == "":
		return "has no node"
	case r.pod.Status.Phase != corev1.PodRunning:
		return "is " + string(r.pod.Status.Phase)
	case !ready:
		return "is not ready"
	case cost != 0:
		return fmt.Sprintf("has deletion cost %d", cost)
	case r.neighbours > 1:
		return fmt.Sprintf("shares node %s with %d more of its owner", r.pod.Spec.NodeName, r.neighbours-1)
	case restarts(r.pod) > 0:
		return fmt.Sprintf("is among the youngest, with %d restarts", restarts(r.pod))
	}
	return "is among the youngest"
}

// youngerFirst compares ages by their power of two only, so that it is not always the pods of the last rollout that go;
// within one power the UID decides, which is as good as chance (upstream's LogarithmicScaleDown). A time that is not known
// counts as young.
func youngerFirst(a, b time.Time, aPod, bPod *corev1.Pod, now time.Time) int {
	if a.IsZero() || b.IsZero() {
		return cmp.Compare(btoi(b.IsZero()), btoi(a.IsZero()))
	}
	return cmp.Or(cmp.Compare(magnitude(now.Sub(a)), magnitude(now.Sub(b))), cmp.Compare(aPod.UID, bPod.UID))
}

func magnitude(age time.Duration) int {
	if age <= 0 {
		return -1
	}
	return int(math.Log2(float64(age)))
}

func phaseRank(pod *corev1.Pod) int {
	switch pod.Status.Phase {
	case corev1.PodRunning:
		return 2
	case corev1.PodUnknown:
		return 1
	}
	return 0
}

// deletionCost is the pod's annotation; one that cannot be read counts as none, as upstream has it.
func deletionCost(pod *corev1.Pod) int32 {
	cost, err := strconv.ParseInt(pod.Annotations[corev1.PodDeletionCost], 10, 32)
	if err != nil {
		return 0
	}
	return int32(cost)
}

func restarts(pod *corev1.Pod) int32 {
	var most int32
	for i := range pod.Status.ContainerStatuses {
		most = max(most, pod.Status.ContainerStatuses[i].RestartCount)
	}
	return most
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
