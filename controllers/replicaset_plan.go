package controllers

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
)

// replicaSetPlan is what to do for one ReplicaSet (or ReplicationController), and why.
type replicaSetPlan struct {
	// Claims are the pods to adopt and to release.
	Claims claims[*corev1.Pod]
	// Create is how many pods to make; CreateReason says why.
	Create       int
	CreateReason string
	// Delete are the pods to delete, the first one first.
	Delete []podDeletion
	// Status is what the pods look like before any of this is done. It is reported when nothing is left to do, or when that
	// failed, which withFailure adds.
	Status appsv1.ReplicaSetStatus
	// Again is when to look at it again although nothing happened: a ready pod has become available. Zero is never.
	Again time.Duration
}

// podDeletion is a pod that is too many.
type podDeletion struct {
	Pod    *corev1.Pod
	Reason string
}

// planReplicaSet compares what the ReplicaSet wants with its pods. Kind is the word for it in reasons. Pods are those that
// it controls and those of its namespace that nobody does; related are the pods of all ReplicaSets with the same owner,
// itself included, and matter only for which pods to delete.
func planReplicaSet(kind string, rs *appsv1.ReplicaSet, selector labels.Selector, pods, related []*corev1.Pod,
	now time.Time) replicaSetPlan {
	var plan replicaSetPlan
	unfinished := slices.DeleteFunc(slices.Clone(pods), finished)
	plan.Claims = planClaims(rs, selector, unfinished)

	var live, terminating []*corev1.Pod
	for _, pod := range slices.Concat(plan.Claims.Kept, plan.Claims.Adopt) {
		if pod.DeletionTimestamp == nil {
			live = append(live, pod)
		} else {
			terminating = append(terminating, pod)
		}
	}
	wanted := int(*rs.Spec.Replicas)
	counts := fmt.Sprintf("%s %s wants %d pods, has %d", kind, rs.Name, wanted, len(live))
	switch {
	case rs.DeletionTimestamp != nil:
	case len(live) < wanted:
		plan.Create, plan.CreateReason = wanted-len(live), counts
	case len(live) > wanted:
		plan.Delete = chooseDeletions(live, related, len(live)-wanted, counts, now)
	}
	plan.Status, plan.Again = replicaSetStatus(rs, live, len(terminating), now)
	return plan
}

// countsAlike reports whether planReplicaSet counts a pod the same before and after a change: such as its binding, which is
// one of the three or four changes of each pod that starts, and has 5,000 pods counted where a ReplicaSet has so many.
// (What else decides which pods to delete matters only in the moment in which there are too many, and is read then.)
// Upstream's controller counts again whenever a pod changes.
func countsAlike(old, pod *corev1.Pod) bool {
	oldSince, oldReady := readySince(old)
	since, ready := readySince(pod)
	return old.UID == pod.UID && finished(old) == finished(pod) &&
		(old.DeletionTimestamp == nil) == (pod.DeletionTimestamp == nil) &&
		oldReady == ready && (!ready || oldSince.Equal(since)) &&
		maps.Equal(old.Labels, pod.Labels) && equality.Semantic.DeepEqual(old.OwnerReferences, pod.OwnerReferences)
}

// chooseDeletions takes the n pods that will be missed least.
func chooseDeletions(live, related []*corev1.Pod, n int, counts string, now time.Time) []podDeletion {
	onNode := map[string]int{}
	for _, pod := range related {
		if active(pod) {
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
	out := make([]podDeletion, n)
	for i := range out {
		out[i] = podDeletion{Pod: ranks[i].pod, Reason: counts + "; this one " + ranks[i].describe()}
	}
	return out
}

// replicaSetStatus counts the pods. It also says how long it is until the next ready pod becomes available.
func replicaSetStatus(rs *appsv1.ReplicaSet, live []*corev1.Pod, terminating int,
	now time.Time) (appsv1.ReplicaSetStatus, time.Duration) {
	minReady := time.Duration(rs.Spec.MinReadySeconds) * time.Second
	template := labels.Set(rs.Spec.Template.Labels).AsSelectorPreValidated()
	gone := int32(terminating)
	status := appsv1.ReplicaSetStatus{
		Replicas:            int32(len(live)),
		ObservedGeneration:  rs.Generation,
		TerminatingReplicas: &gone,
		Conditions:          slices.Clone(rs.Status.Conditions),
	}
	var again time.Duration
	for _, pod := range live {
		if template.Matches(labels.Set(pod.Labels)) {
			status.FullyLabeledReplicas++
		}
		left, ready := availableIn(pod, minReady, now)
		switch {
		case !ready:
			continue
		case left == 0:
			status.AvailableReplicas++
		case again == 0 || left < again:
			again = left
		}
		status.ReadyReplicas++
	}
	return status, again
}

// The reasons of condition ReplicaFailure.
const (
	failedCreate = "FailedCreate"
	failedDelete = "FailedDelete"
)

// withFailure sets condition ReplicaFailure where creating or deleting failed, and takes it away where it did not. The
// first failure stands until all is well again.
func withFailure(status appsv1.ReplicaSetStatus, reason string, failure error,
	now time.Time) appsv1.ReplicaSetStatus {
	isFailure := func(c appsv1.ReplicaSetCondition) bool { return c.Type == appsv1.ReplicaSetReplicaFailure }
	switch has := slices.ContainsFunc(status.Conditions, isFailure); {
	case failure != nil && !has:
		status.Conditions = append(slices.Clone(status.Conditions), appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(now), Reason: reason, Message: failure.Error(),
		})
	case failure == nil && has:
		status.Conditions = slices.DeleteFunc(slices.Clone(status.Conditions), isFailure)
	}
	return status
}

// describeReplicaSetStatus is the reason of a status write: the numbers that differ. It is empty where nothing does.
func describeReplicaSetStatus(kind, name string, old, status appsv1.ReplicaSetStatus) string {
	var d differences
	d.count("replicas", old.Replicas, status.Replicas)
	d.count("fullyLabeledReplicas", old.FullyLabeledReplicas, status.FullyLabeledReplicas)
	d.count("readyReplicas", old.ReadyReplicas, status.ReadyReplicas)
	d.count("availableReplicas", old.AvailableReplicas, status.AvailableReplicas)
	d.optional("terminatingReplicas", old.TerminatingReplicas, status.TerminatingReplicas)
	if old.ObservedGeneration != status.ObservedGeneration {
		d.add("observedGeneration %d is now %d", old.ObservedGeneration, status.ObservedGeneration)
	}
	if len(old.Conditions) != len(status.Conditions) {
		failing := len(status.Conditions) > len(old.Conditions)
		said := ""
		if failing {
			newest := status.Conditions[len(status.Conditions)-1]
			said = fmt.Sprintf(" (%s: %s)", newest.Reason, newest.Message)
		}
		d.add("condition %s is now %t%s", appsv1.ReplicaSetReplicaFailure, failing, said)
	}
	return d.sentence(kind + " " + name)
}

// newPod is the pod that the owner's template describes. The API server makes the end of its name.
func newPod(rs *appsv1.ReplicaSet, owner metav1.OwnerReference) *corev1.Pod {
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
