package replication

import (
	corev1 "k8s.io/api/core/v1"

	"minik.dev/controllers/loop"
	"minik.dev/controllers/replicaset"
)

// RolloutStatus waits until every replica is available.
func RolloutStatus(rc *corev1.ReplicationController) loop.RolloutStatus {
	return replicaset.RolloutStatus(asReplicaSet(rc))
}
