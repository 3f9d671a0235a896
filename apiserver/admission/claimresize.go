package admission

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
)

// claimResize lets a bound claim grow only where its class says that its volumes can: upstream's
// PersistentVolumeClaimResize. A claim without a volume does not change at all, which validation says.
type claimResize struct{ reader Reader }

func (p claimResize) validate(ctx context.Context, r *Request) error {
	if r.Verb != "update" || r.Subresource != "" || r.Row.Kind.Group != "" || r.Row.Plural != "persistentvolumeclaims" {
		return nil
	}
	claim, old := r.Object.(*corev1.PersistentVolumeClaim), r.Old.(*corev1.PersistentVolumeClaim)
	size, was := claim.Spec.Resources.Requests[corev1.ResourceStorage], old.Spec.Resources.Requests[corev1.ResourceStorage]
	if old.Status.Phase != corev1.ClaimBound || size.Cmp(was) <= 0 {
		return nil
	}
	grows, err := p.grows(ctx, classOf(old))
	if err != nil || grows {
		return err
	}
	return apierrors.NewForbidden(r.Row.GroupResource(), claim.Name, errors.New("only dynamically provisioned pvc can be "+
		"resized and the storageclass that provisions the pvc must support resize"))
}

// grows says whether the class lets volumes grow. One that was just changed counts.
func (p claimResize) grows(ctx context.Context, class string) (bool, error) {
	if class == "" {
		return false, nil
	}
	if err := p.reader.Fresh(ctx); err != nil {
		return false, err
	}
	obj, ok := p.reader.Get("storage.k8s.io", "storageclasses", "", class)
	return ok && ptr.Deref(obj.(*storagev1.StorageClass).AllowVolumeExpansion, false), nil
}

// classOf is the class of a claim, by the annotation of old first.
func classOf(claim *corev1.PersistentVolumeClaim) string {
	if class, ok := claim.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return class
	}
	return ptr.Deref(claim.Spec.StorageClassName, "")
}
