package resources

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What a StatefulSet says of the PersistentVolumeClaims that its pods get. Their names are checked as the names of the
// volumes that they become.

// defaultClaimTemplate fills in what upstream does, which includes the phase of a claim that is still to be made. The
// kind is always named, as upstream does when it reads the object: a client that leaves it out changes nothing by that.
func defaultClaimTemplate(claim *corev1.PersistentVolumeClaim) {
	claim.TypeMeta = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "PersistentVolumeClaim"}
	if claim.Status.Phase == "" {
		claim.Status.Phase = corev1.ClaimPending
	}
	defaultClaimSpec(&claim.Spec)
}

// validateClaimTemplate checks what is asked for.
func validateClaimTemplate(path *field.Path, claim *corev1.PersistentVolumeClaim) field.ErrorList {
	return validateClaimSpec(path.Child("spec"), &claim.Spec)
}

// warnClaimTemplate finds what a claim is warned of as well.
func warnClaimTemplate(path *field.Path, claim *corev1.PersistentVolumeClaim) []string {
	return warnClaimSpec(path.Child("spec"), &claim.Spec)
}
