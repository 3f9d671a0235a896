package replicaset

import (
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"minik.dev/controllers/loop"
	"minik.dev/controllers/podstate"
)

// Plan is what to do for one ReplicaSet (or ReplicationController), and why.
type Plan struct {
	// Claims are the pods to adopt and to release.
	Claims loop.Claims[*corev1.Pod]
	// Create is how many pods to make; CreateReason says why.
	Create       int
	CreateReason string
	// Delete are the pods to delete, the first one first.
	Delete []Deletion
	// Status is what the pods look like before any of this is done. It is reported when nothing is left to do, or when that
	// failed, which withFailure adds.
	Status appsv1.ReplicaSetStatus
	// Again is when to look at it again although nothing happened: a ready pod has become available. Zero is never.
	Again time.Duration
}

// Deletion is a pod that is too many.
type Deletion struct {
	Pod    *corev1.Pod
	Reason string
}

// PlanFor compares what the ReplicaSet wants with its pods. Kind is the word for it in reasons. Pods are those that
// it controls and those of its namespace that nobody does; related are the pods of all ReplicaSets with the same owner,
// itself included, and matter only for which pods to delete.
func PlanFor(kind string, rs *appsv1.ReplicaSet, selector labels.Selector, pods, related []*corev1.Pod,
	now time.Time) Plan {
	var plan Plan
	var active []*corev1.Pod
	terminating := 0
	for _, pod := range pods {
		switch {
		case podstate.Finished(pod):
		case pod.DeletionTimestamp == nil:
			active = append(active, pod)
		case metav1.IsControlledBy(pod, rs) && selector.Matches(labels.Set(pod.Labels)):
			terminating++ // and neither adopted nor released any more
		}
	}
	plan.Claims = loop.PlanClaims(rs, selector, active)
	live := slices.Concat(plan.Claims.Kept, plan.Claims.Adopt)
	wanted := int(*rs.Spec.Replicas)
	counts := fmt.Sprintf("%s %s wants %d pods, has %d", kind, rs.Name, wanted, len(live))
	switch {
	case rs.DeletionTimestamp != nil:
	case len(live) < wanted:
		plan.Create, plan.CreateReason = wanted-len(live), counts
	case len(live) > wanted:
		plan.Delete = chooseDeletions(live, related, len(live)-wanted, counts, now)
	}
	plan.Status, plan.Again = replicaSetStatus(rs, live, terminating, now)
	return plan
}

// countsAlike reports whether PlanFor counts a pod the same before and after a change: such as its binding, which is
// one of the three or four changes of each pod that starts, and has 5,000 pods counted where a ReplicaSet has so many.
// (What else decides which pods to delete matters only in the moment in which there are too many, and is read then.)
// Upstream's controller counts again whenever a pod changes.
func countsAlike(old, pod *corev1.Pod) bool {
	oldSince, oldReady := podstate.ReadySince(old)
	since, ready := podstate.ReadySince(pod)
	return old.UID == pod.UID && podstate.Finished(old) == podstate.Finished(pod) &&
		(old.DeletionTimestamp == nil) == (pod.DeletionTimestamp == nil) &&
		oldReady == ready && (!ready || oldSince.Equal(since)) &&
		maps.Equal(old.Labels, pod.Labels) && equality.Semantic.DeepEqual(old.OwnerReferences, pod.OwnerReferences)
}

// chooseDeletions takes the n pods that will be missed least.
func chooseDeletions(live, related []*corev1.Pod, n int, counts string, now time.Time) []Deletion {
	onNode := map[string]int{}
	for _, pod := range related {
		if podstate.Active(pod) {
			onNode[pod.Spec.NodeName]++
		}
	}
	ranks := make([]deletionRank, len(live))
	for i, pod := range live {
		ranks[i] = deletionRank{pod: pod, neighbours: onNode[pod.Spec.NodeName]}
	}
	if n < len(live) { // otherwise all of them go and the order tells nothing
		slices.SortFunc(ranks, func(a, b deletionRank) int { return a.before(b, now) })
	}
	out := make([]Deletion, n)
	for i := range out {
		out[i] = Deletion{Pod: ranks[i].pod, Reason: counts + "; this one " + ranks[i].describe()}
	}
	return out
}

// NewPod is the pod that the owner's template describes. The API server makes the end of its name.
func NewPod(rs *appsv1.ReplicaSet, owner metav1.OwnerReference) *corev1.Pod {
	template := rs.Spec.Template.DeepCopy()
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName:    rs.Name + "-",
			Namespace:       rs.Namespace,
			Labels:          template.Labels,
			Annotations:     template.Annotations,
			Finalizers:      template.Finalizers,
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: template.Spec,
	}
}
