// Package replication reconciles ReplicationControllers, the older form of the ReplicaSet, as the ReplicaSets they amount
// to: package replicaset does the work. Real Kubernetes does the same.
package replication

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/controllers/loop"
	"minik.dev/controllers/replicaset"
)

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	informer := e.Informers.Core().V1().ReplicationControllers()
	lister, client := informer.Lister(), e.Client.CoreV1()
	kind := replicaset.Kind{
		GVK: corev1.SchemeGroupVersion.WithKind("ReplicationController"),
		Get: func(namespace, name string) (*appsv1.ReplicaSet, error) {
			rc, err := lister.ReplicationControllers(namespace).Get(name)
			if err != nil {
				return nil, err
			}
			return asReplicaSet(rc), nil
		},
		Live: func(ctx context.Context, namespace, name string) (*appsv1.ReplicaSet, error) {
			rc, err := client.ReplicationControllers(namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return asReplicaSet(rc), nil
		},
		List: func(namespace string) ([]*appsv1.ReplicaSet, error) {
			found, err := lister.ReplicationControllers(namespace).List(labels.Everything())
			if err != nil {
				return nil, err
			}
			var out []*appsv1.ReplicaSet
			for _, rc := range found {
				out = append(out, asReplicaSet(rc))
			}
			return out, nil
		},
		UpdateStatus: func(ctx context.Context, rs *appsv1.ReplicaSet) (metav1.Object, error) {
			return client.ReplicationControllers(rs.Namespace).UpdateStatus(ctx, asReplicationController(rs),
				metav1.UpdateOptions{})
		},
		About: func(rs *appsv1.ReplicaSet) runtime.Object { return asReplicationController(rs) },
	}
	return replicaset.NewFor(e, kind, loop.On(informer.Informer(), loop.Self[*corev1.ReplicationController])), nil
}

// asReplicaSet says with a ReplicaSet what the ReplicationController says. It shares the metadata and the template.
func asReplicaSet(rc *corev1.ReplicationController) *appsv1.ReplicaSet {
	rs := &appsv1.ReplicaSet{
		ObjectMeta: rc.ObjectMeta,
		Spec: appsv1.ReplicaSetSpec{
			Replicas:        rc.Spec.Replicas,
			MinReadySeconds: rc.Spec.MinReadySeconds,
			Selector:        &metav1.LabelSelector{MatchLabels: rc.Spec.Selector},
		},
		Status: appsv1.ReplicaSetStatus{
			Replicas:             rc.Status.Replicas,
			FullyLabeledReplicas: rc.Status.FullyLabeledReplicas,
			ReadyReplicas:        rc.Status.ReadyReplicas,
			AvailableReplicas:    rc.Status.AvailableReplicas,
			ObservedGeneration:   rc.Status.ObservedGeneration,
		},
	}
	if rc.Spec.Template != nil {
		rs.Spec.Template = *rc.Spec.Template
	}
	for _, c := range rc.Status.Conditions {
		rs.Status.Conditions = append(rs.Status.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	return rs
}

// asReplicationController is the way back. A ReplicationController does not count pods that are terminating.
func asReplicationController(rs *appsv1.ReplicaSet) *corev1.ReplicationController {
	rc := &corev1.ReplicationController{
		ObjectMeta: rs.ObjectMeta,
		Spec: corev1.ReplicationControllerSpec{
			Replicas:        rs.Spec.Replicas,
			MinReadySeconds: rs.Spec.MinReadySeconds,
			Selector:        rs.Spec.Selector.MatchLabels,
			Template:        &rs.Spec.Template,
		},
		Status: corev1.ReplicationControllerStatus{
			Replicas:             rs.Status.Replicas,
			FullyLabeledReplicas: rs.Status.FullyLabeledReplicas,
			ReadyReplicas:        rs.Status.ReadyReplicas,
			AvailableReplicas:    rs.Status.AvailableReplicas,
			ObservedGeneration:   rs.Status.ObservedGeneration,
		},
	}
	for _, c := range rs.Status.Conditions {
		rc.Status.Conditions = append(rc.Status.Conditions, corev1.ReplicationControllerCondition{
			Type: corev1.ReplicationControllerConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	return rc
}
