package deployment

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/loop"
)

// RolloutStatus follows the conditions that `kubectl rollout status` documents: the controller has seen the newest spec,
// every replica is of the new template, none of the old ones is left, and all are available.
func RolloutStatus(d *appsv1.Deployment) loop.RolloutStatus {
	status := loop.ReplicasRollout(d, d.Spec.Replicas, min(d.Status.AvailableReplicas, d.Status.UpdatedReplicas),
		d.Status.ObservedGeneration, d.Spec.Selector)
	if d.Status.ObservedGeneration < d.Generation {
		return status
	}
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentProgressing && condition.Reason == reasonExceeded {
			status.State, status.Why, status.Pods = loop.Failed, condition.Message, d.Spec.Selector
			return status
		}
	}
	switch old, more := d.Status.Replicas-d.Status.UpdatedReplicas, d.Status.UpdatedReplicas-status.Want; {
	case status.State != loop.Available:
	case old > 0:
		status.State, status.Why = loop.Waiting, fmt.Sprintf("%d of the old replicas still end", old)
	case more > 0:
		status.State, status.Why = loop.Waiting, fmt.Sprintf("%d replicas more than wanted still end", more)
	}
	if d.Spec.Paused && status.State == loop.Waiting {
		command := "minik rollout resume deployment/" + d.Name
		if d.Namespace != metav1.NamespaceDefault {
			command += " -n " + d.Namespace
		}
		status.State, status.Why, status.Pods = loop.Failed, "paused: resume it with `"+command+"`", nil
	}
	return status
}
