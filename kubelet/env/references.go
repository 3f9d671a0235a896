package env

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	corev1 "k8s.io/api/core/v1"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
)

// References finds the objects of a pod's namespace that its spec names. A missing one is a NotFound error.
type References struct {
	ConfigMap func(name string) (*corev1.ConfigMap, error)
	Secret    func(name string) (*corev1.Secret, error)
	// Services are what the variables of services tell of; nil tells of none.
	Services []corev1.Service
}

// Missing is nil for an object that may be missing and is.
func Missing(err error, may *bool) error {
	if ptr.Deref(may, false) && apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// NewReferences finds what pods of the namespace name, with a plain get each time: so a change is seen at the next start.
func NewReferences(ctx context.Context, client kubernetes.Interface, namespace string) References {
	core := client.CoreV1()
	return References{
		ConfigMap: func(name string) (*corev1.ConfigMap, error) {
			m, err := core.ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
			return m, notFound(err, "configmap", name)
		},
		Secret: func(name string) (*corev1.Secret, error) {
			m, err := core.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
			return m, notFound(err, "secret", name)
		},
	}
}

// notFound words a missing object as upstream's kubelet does: in the singular.
func notFound(err error, kind, name string) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
}
