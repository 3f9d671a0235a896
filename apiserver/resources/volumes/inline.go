package volumes

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateInline checks the spec of a volume that is no object of its own, as a VolumeAttachment writes it out: a CSI volume which a pod
// names itself. Whatever concerns claims and scheduling has no place there.
func ValidateInline(at *field.Path, spec *corev1.PersistentVolumeSpec) field.ErrorList {
	const inline = " in the context of inline volumes"
	var errs field.ErrorList
	for _, f := range []struct {
		name string
		used bool
	}{
		{"claimRef", spec.ClaimRef != nil}, {"capacity", len(spec.Capacity) > 0}, {"nodeAffinity", spec.NodeAffinity != nil},
		{"storageClassName", spec.StorageClassName != ""},
	} {
		if f.used {
			errs = append(errs, field.Forbidden(at.Child(f.name), "may not be specified"+inline))
		}
	}
	if spec.CSI == nil {
		errs = append(errs, field.Required(at.Child("csi"), "has to be specified"+inline))
	}
	errs = append(errs, ValidateAccessModes(at.Child("accessModes"), spec.AccessModes, "")...)
	if policy := spec.PersistentVolumeReclaimPolicy; policy != "" && policy != corev1.PersistentVolumeReclaimRetain {
		errs = append(errs, field.Forbidden(at.Child("persistentVolumeReclaimPolicy"), "may only be Retain"+inline))
	}
	if mode := spec.VolumeMode; mode != nil && *mode != corev1.PersistentVolumeFilesystem {
		errs = append(errs, field.Forbidden(at.Child("volumeMode"), "may not specify volumeMode other than Filesystem"+inline))
	}
	source := *spec
	source.NodeAffinity = nil // refused above, so that no source has one
	return append(errs, ValidateSource(at, &source, "")...)
}
