package core

import (
	"fmt"
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
	"minik.dev/apiserver/resources/volumes"
)

func validatePersistentVolume(pv, old *corev1.PersistentVolume) field.ErrorList {
	at, spec := field.NewPath("spec"), &pv.Spec
	errs := volumes.ValidateAccessModes(at.Child("accessModes"), spec.AccessModes, "")
	errs = append(errs, validateCapacity(at.Child("capacity"), spec.Capacity)...)
	errs = append(errs, validation.OneOf(at.Child("persistentVolumeReclaimPolicy"), spec.PersistentVolumeReclaimPolicy,
		corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRecycle, corev1.PersistentVolumeReclaimRetain)...)
	if a := spec.NodeAffinity; a != nil && a.Required == nil {
		errs = append(errs, field.Required(at.Child("nodeAffinity", "required"), "must specify required node constraints"))
	} else if a != nil {
		errs = append(errs, podspec.ValidateNodeSelector(at.Child("nodeAffinity", "required"), a.Required)...)
	}
	errs = append(errs, volumes.ValidateSource(at, spec, pv.Name)...)
	if spec.HostPath != nil && path.Clean(spec.HostPath.Path) == "/" &&
		spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRecycle {
		errs = append(errs, field.Forbidden(at.Child("persistentVolumeReclaimPolicy"),
			"may not be 'recycle' for a hostPath mount of '/'"))
	}
	if spec.StorageClassName != "" {
		errs = append(errs, validation.DNSSubdomain(at.Child("storageClassName"), spec.StorageClassName)...)
	}
	errs = append(errs, volumes.ValidateMode(at.Child("volumeMode"), spec.VolumeMode)...)
	errs = append(errs, validateAttributesClass(at, spec)...)
	if old != nil {
		errs = append(errs, validateVolumeUpdate(at, spec, &old.Spec)...)
	}
	return errs
}

// validateCapacity takes storage alone.
func validateCapacity(at *field.Path, capacity corev1.ResourceList) field.ErrorList {
	var errs field.ErrorList
	if len(capacity) == 0 {
		errs = append(errs, field.Required(at, ""))
	}
	if _, ok := capacity[corev1.ResourceStorage]; !ok || len(capacity) > 1 {
		errs = append(errs, field.NotSupported(at, capacity, []corev1.ResourceName{corev1.ResourceStorage}))
	}
	for _, name := range validation.SortedKeys(capacity) {
		quantity := capacity[name]
		errs = append(errs, basicQuantity(at.Key(string(name)), quantity)...)
		errs = append(errs, validation.Positive(at.Key(string(name)), quantity)...)
	}
	return errs
}

// basicQuantity is upstream's check of an amount whose meaning it does not know.
func basicQuantity(at *field.Path, quantity resource.Quantity) field.ErrorList {
	if quantity.Value() < 0 {
		return field.ErrorList{field.Invalid(at, quantity.Value(), "must be a valid resource quantity")}
	}
	return nil
}

func validateAttributesClass(at *field.Path, spec *corev1.PersistentVolumeSpec) field.ErrorList {
	if spec.VolumeAttributesClassName == nil {
		return nil
	}
	class, name := at.Child("volumeAttributesClassName"), *spec.VolumeAttributesClassName
	var errs field.ErrorList
	if name == "" {
		errs = append(errs, field.Required(class, "an empty string is disallowed"))
	} else {
		errs = append(errs, validation.DNSSubdomain(class, name)...)
	}
	if spec.CSI == nil {
		errs = append(errs, field.Required(at.Child("csi"), "has to be specified when using volumeAttributesClassName"))
	}
	return errs
}

// validateVolumeUpdate keeps where the data is, and what it is. The paths without "spec" are upstream's.
func validateVolumeUpdate(at *field.Path, spec, old *corev1.PersistentVolumeSpec) field.ErrorList {
	var errs field.ErrorList
	source := spec.PersistentVolumeSource.DeepCopy()
	if source.CSI != nil && old.CSI != nil && old.CSI.ControllerExpandSecretRef == nil {
		source.CSI.ControllerExpandSecretRef = nil // it may be added
	}
	if !equality.Semantic.DeepEqual(source, &old.PersistentVolumeSource) {
		errs = append(errs, field.Forbidden(at.Child("persistentvolumesource"),
			fmt.Sprintf("spec.persistentvolumesource is immutable after creation\n%v",
				diff.Diff(&old.PersistentVolumeSource, source))))
	}
	errs = append(errs, validation.Immutable(field.NewPath("volumeMode"), spec.VolumeMode, old.VolumeMode)...)
	if old.NodeAffinity != nil {
		errs = append(errs, validation.Immutable(field.NewPath("nodeAffinity"), spec.NodeAffinity, old.NodeAffinity)...)
	}
	if old.VolumeAttributesClassName != nil && spec.VolumeAttributesClassName == nil {
		errs = append(errs, field.Forbidden(at.Child("volumeAttributesClassName"),
			"update from non-nil value to nil is forbidden"))
	}
	return errs
}
