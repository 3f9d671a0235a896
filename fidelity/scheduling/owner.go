package scheduling

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// setOwners puts the controllers of pods where upstream looks for the selector that spreads pods unasked.
func (u *upstream) setOwners() error {
	for _, namespace := range namespaces {
		for _, owner := range owners {
			meta := metav1.ObjectMeta{Namespace: namespace, Name: owner.Name, UID: owner.UID}
			labels := map[string]string{ownerLabel: string(owner.UID)}
			selector := &metav1.LabelSelector{MatchLabels: labels}
			var err error
			switch owner.Kind {
			case "ReplicaSet":
				err = u.informers.Apps().V1().ReplicaSets().Informer().GetStore().Add(
					&appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Selector: selector}})
			case "StatefulSet":
				err = u.informers.Apps().V1().StatefulSets().Informer().GetStore().Add(
					&appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: selector}})
			case "ReplicationController":
				err = u.informers.Core().V1().ReplicationControllers().Informer().GetStore().Add(
					&corev1.ReplicationController{ObjectMeta: meta, Spec: corev1.ReplicationControllerSpec{Selector: labels}})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
