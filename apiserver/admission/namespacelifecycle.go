package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// namespaceLifecycle keeps objects out of namespaces that are not there, and protects the namespaces of the system.
type namespaceLifecycle struct{ reader Reader }

// immortal namespaces can't be deleted.
var immortal = map[string]bool{"default": true, "kube-system": true, "kube-public": true}

func (n namespaceLifecycle) mutate(ctx context.Context, r *Request) error {
	if r.Verb == "delete" && r.Row.Plural == "namespaces" && r.Row.Kind.Group == "" && immortal[r.Name] {
		return apierrors.NewForbidden(r.Row.GroupResource(), r.Name, fmt.Errorf("this namespace may not be deleted"))
	}
	if r.Row.ClusterScoped || r.Verb != "create" {
		return nil
	}
	obj, ok := n.reader.Get("", "namespaces", "", r.Namespace)
	if !ok {
		if err := n.reader.Fresh(ctx); err != nil {
			return err
		}
		if obj, ok = n.reader.Get("", "namespaces", "", r.Namespace); !ok {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, r.Namespace)
		}
	}
	namespace := obj.(*corev1.Namespace)
	if namespace.Status.Phase != corev1.NamespaceTerminating {
		return nil
	}
	// Reviews and the like aside, a namespace that goes takes nothing in. The cause is what clients look for.
	err := apierrors.NewForbidden(r.Row.GroupResource(), r.Name,
		fmt.Errorf("unable to create new content in namespace %s because it is being terminated", r.Namespace))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type:    corev1.NamespaceTerminatingCause,
		Message: fmt.Sprintf("namespace %s is being terminated", r.Namespace),
		Field:   "metadata.namespace",
	})
	return err
}
