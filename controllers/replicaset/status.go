package replicaset

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"minik.dev/controllers/loop"
	"minik.dev/controllers/podstate"
)

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
		left, ready := podstate.AvailableIn(pod, minReady, now)
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
	var d loop.Differences
	d.Count("replicas", old.Replicas, status.Replicas)
	d.Count("fullyLabeledReplicas", old.FullyLabeledReplicas, status.FullyLabeledReplicas)
	d.Count("readyReplicas", old.ReadyReplicas, status.ReadyReplicas)
	d.Count("availableReplicas", old.AvailableReplicas, status.AvailableReplicas)
	d.Optional("terminatingReplicas", old.TerminatingReplicas, status.TerminatingReplicas)
	if old.ObservedGeneration != status.ObservedGeneration {
		d.Add("observedGeneration %d is now %d", old.ObservedGeneration, status.ObservedGeneration)
	}
	if len(old.Conditions) != len(status.Conditions) {
		failing := len(status.Conditions) > len(old.Conditions)
		said := ""
		if failing {
			newest := status.Conditions[len(status.Conditions)-1]
			said = fmt.Sprintf(" (%s: %s)", newest.Reason, newest.Message)
		}
		d.Add("condition %s is now %t%s", appsv1.ReplicaSetReplicaFailure, failing, said)
	}
	return d.Sentence(kind + " " + name)
}
