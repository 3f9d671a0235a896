package core

import (
	"fmt"
	"slices"

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
	if spec.StorageClassName != "" {
		errs = append(errs, validation.DNSSubdomain(at.Child("storageClassName"), spec.StorageClassName)...)
	}
	errs = append(errs, volumes.ValidateMode(at.Child("volumeMode"), spec.VolumeMode)...)
	errs = append(errs, validateAttributesClass(at, spec)...)
	errs = append(errs, validateMountAnnotation(pv)...)
	if old != nil {
		errs = append(errs, validateVolumeUpdate(at, spec, &old.Spec)...)
	}
	return errs
}

// mountable are the sources whose mount options an annotation may still name. The newer ones have spec.mountOptions alone.
var mountable = []string{
	"gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "nfs", "rbd", "quobyte", "iscsi", "cinder", "cephfs", "azureFile", "vsphereVolume",
	"azureDisk", "photonPersistentDisk",
}

// validateMountAnnotation refuses the annotation beside other sources. A dot takes the place of the brackets in upstream's path.
func validateMountAnnotation(pv *corev1.PersistentVolume) field.ErrorList {
	sources := volumes.InOrder(&pv.Spec.PersistentVolumeSource, mountable)
	mounts := slices.ContainsFunc(sources, func(name string) bool { return slices.Contains(mountable, name) })
	if _, ok := pv.Annotations[corev1.MountOptionAnnotation]; !ok || mounts {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("metadata", "annotations", corev1.MountOptionAnnotation),
		"may not specify mount options for this volume type")}
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
	if old.NodeAffinity != nil && !equality.Semantic.DeepEqual(spec.NodeAffinity, renewed(old.NodeAffinity, spec.NodeAffinity)) {
		errs = append(errs, field.Invalid(field.NewPath("nodeAffinity"), spec.NodeAffinity,
			"field is immutable, except for updating from beta label to GA"))
	}
	if old.VolumeAttributesClassName != nil && spec.VolumeAttributesClassName == nil {
		errs = append(errs, field.Forbidden(at.Child("volumeAttributesClassName"),
			"update from non-nil value to nil is forbidden"))
	}
	return errs
}

// renewed is the old affinity with those of its labels under their newer names that stand so in the new one.
func renewed(old, affinity *corev1.VolumeNodeAffinity) *corev1.VolumeNodeAffinity {
	if old.Required == nil || affinity == nil || affinity.Required == nil {
		return old
	}
	old = old.DeepCopy()
	for i, term := range old.Required.NodeSelectorTerms {
		if i >= len(affinity.Required.NodeSelectorTerms) {
			break
		}
		terms := affinity.Required.NodeSelectorTerms[i]
		renew := func(was, is []corev1.NodeSelectorRequirement) {
			for j := range was {
				if newer := podspec.NewerNodeLabel(was[j].Key); j < len(is) && is[j].Key == newer {
					was[j].Key = newer // upstream takes no key at all, too, for a label that has no newer name
				}
			}
		}
		renew(term.MatchExpressions, terms.MatchExpressions)
		renew(term.MatchFields, terms.MatchFields)
	}
	return old
}
