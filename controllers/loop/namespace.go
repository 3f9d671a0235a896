package loop

import (
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NamespaceGone reports whether a write failed because its namespace goes: nothing can be created in a namespace that is being deleted, and nothing need be.
func NamespaceGone(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// NamespaceOf wakes the namespace of the one object in it that matters, by name.
func NamespaceOf[T metav1.Object](name string) func(obj, old T) []string {
	return func(obj, _ T) []string {
		if obj.GetName() != name {
			return nil
		}
		return []string{obj.GetNamespace()}
	}
}

// NamespaceActive reports whether anything may be added to the namespace: nothing is added to a namespace that is being deleted.
func NamespaceActive(namespace *corev1.Namespace) bool {
	return namespace.DeletionTimestamp == nil && namespace.Status.Phase != corev1.NamespaceTerminating
}
