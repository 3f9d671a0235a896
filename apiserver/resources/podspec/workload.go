package podspec

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/validation"
)

// What the kinds that keep pods running have in common: a number of pods, a template that they are made from, and a
// selector by which they are found again.

// ValidateReplicaTemplate checks a template against the selector, and for what a pod that is always replaced cannot
// have. owner names the kind in the message about deadlines.
func ValidateReplicaTemplate(path *field.Path, t *corev1.PodTemplateSpec, s labels.Selector,
	owner string) field.ErrorList {
	if t == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if !s.Empty() && !s.Matches(labels.Set(t.Labels)) {
		errs = append(errs, field.Invalid(path.Child("metadata", "labels"), t.Labels,
			"`selector` does not match template `labels`"))
	}
	errs = append(errs, ValidateTemplate(path, t)...)
	return append(errs, ValidateReplaced(path, t, owner)...)
}

// ValidateReplaced checks a template for what a pod that is always replaced cannot have.
func ValidateReplaced(path *field.Path, t *corev1.PodTemplateSpec, owner string) field.ErrorList {
	var errs field.ErrorList
	if t.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		errs = append(errs, field.NotSupported(path.Child("spec", "restartPolicy"), t.Spec.RestartPolicy,
			[]corev1.RestartPolicy{corev1.RestartPolicyAlways}))
	}
	if t.Spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(path.Child("spec", "activeDeadlineSeconds"),
			"activeDeadlineSeconds in "+owner+" is not Supported"))
	}
	return errs
}

// Counts are the numbers of a status of a kind that keeps pods running; none is negative, and none is above the number of replicas.
type Counts struct {
	Replicas, Ready, Available int32
	ObservedGeneration         int64
	FullyLabeled, Terminating  *int32 // nil where the kind has none
}

// ValidateCounts checks the numbers of a status, and names them as their fields are called.
func ValidateCounts(c Counts) field.ErrorList {
	path := field.NewPath("status")
	errs := validation.NotNegative(path.Child("replicas"), c.Replicas)
	errs = append(errs, validation.NotNegative(path.Child("fullyLabeledReplicas"), ptr.Deref(c.FullyLabeled, 0))...)
	errs = append(errs, validation.NotNegative(path.Child("readyReplicas"), c.Ready)...)
	errs = append(errs, validation.NotNegative(path.Child("availableReplicas"), c.Available)...)
	errs = append(errs, validation.NotNegative(path.Child("observedGeneration"), c.ObservedGeneration)...)
	errs = append(errs, validation.NotNegative(path.Child("terminatingReplicas"), ptr.Deref(c.Terminating, 0))...)
	const above = "cannot be greater than status.replicas"
	if n := ptr.Deref(c.FullyLabeled, 0); c.FullyLabeled != nil && n > c.Replicas {
		errs = append(errs, field.Invalid(path.Child("fullyLabeledReplicas"), n, above))
	}
	if c.Ready > c.Replicas {
		errs = append(errs, field.Invalid(path.Child("readyReplicas"), c.Ready, above))
	}
	if c.Available > c.Replicas {
		errs = append(errs, field.Invalid(path.Child("availableReplicas"), c.Available, above))
	}
	if c.Available > c.Ready {
		errs = append(errs, field.Invalid(path.Child("availableReplicas"), c.Available,
			"cannot be greater than readyReplicas"))
	}
	return errs
}
