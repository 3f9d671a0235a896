package admission

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// mirrorAnnotation marks pods that a kubelet made by itself; they have no service account.
const mirrorAnnotation = "kubernetes.io/config.mirror"

// serviceAccount gives every pod the account it runs as, and with it the secrets for pulling its images.
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
	var account *corev1.ServiceAccount
	exists := func() bool {
		found, ok := s.reader.Get("", "serviceaccounts", r.Namespace, name)
		if ok {
			account = found.(*corev1.ServiceAccount)
		}
		return ok
	}
	// A namespace that was made a moment ago gets its account a moment later: the pod waits for it, as upstream.
	s.reader.Wait(ctx, "serviceaccounts", exists)
	if !exists() {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, pod.Name, fmt.Errorf(
			"error looking up service account %s/%s: serviceaccount %q not found", r.Namespace, name, name))
	}
	if len(pod.Spec.ImagePullSecrets) == 0 {
		pod.Spec.ImagePullSecrets = slices.Clone(account.ImagePullSecrets)
	}
	return nil
}
