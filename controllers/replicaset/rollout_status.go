package replicaset

import (
	appsv1 "k8s.io/api/apps/v1"

	"minik.dev/controllers/loop"
)

// RolloutStatus waits until every replica is available.
func RolloutStatus(rs *appsv1.ReplicaSet) loop.RolloutStatus {
	return loop.ReplicasRollout(rs, rs.Spec.Replicas, rs.Status.AvailableReplicas, rs.Status.ObservedGeneration,
		rs.Spec.Selector)
}
