package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// mirrorAnnotation marks pods that a kubelet made by itself; they have no service account.
const mirrorAnnotation = "kubernetes.io/config.mirror"

// serviceAccount gives every pod the account it runs as.
type serviceAccount struct{ reader Reader }

func (s serviceAccount) mutate(ctx context.Context, r *Request) error {
	if !r.creates("pods") {
		return nil
	}
	pod := r.Object.(*corev1.Pod)
	if _, mirror := pod.Annotations[mirrorAnnotation]; mirror {
		return nil
	}
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = "default"
	}
	pod.Spec.DeprecatedServiceAccount = pod.Spec.ServiceAccountName
	name := pod.Spec.ServiceAccountName
	exists := func() bool {
		_, ok := s.reader.Get("", "serviceaccounts", r.Namespace, name)
		return ok
	}
	// A namespace that was made a moment ago gets its account a moment later: the pod waits for it, as upstream.
	s.reader.Wait(ctx, "serviceaccounts", exists)
	if !exists() {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, pod.Name, fmt.Errorf(
			"error looking up service account %s/%s: serviceaccount %q not found", r.Namespace, name, name))
	}
	return nil
}
