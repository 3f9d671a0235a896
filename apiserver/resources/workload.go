package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What the kinds that keep pods running have in common: a number of pods, a template that they are made from, and a
// selector by which they are found again.

// validateReplicaTemplate checks a template against the selector, and for what a pod that is always replaced cannot
// have. owner names the kind in the message about deadlines.
func validateReplicaTemplate(path *field.Path, t *corev1.PodTemplateSpec, s labels.Selector,
	owner string) field.ErrorList {
	if t == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if !s.Empty() && !s.Matches(labels.Set(t.Labels)) {
		errs = append(errs, field.Invalid(path.Child("metadata", "labels"), t.Labels,
			"`selector` does not match template `labels`"))
	}
	errs = append(errs, validateTemplate(path, t)...)
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

// counts are the numbers of a status; none is negative, and none is above the number of replicas.
type counts struct {
	replicas, fullyLabeled, ready, available int32
	observedGeneration                       int64
}

func validateCounts(c counts) field.ErrorList {
	path := field.NewPath("status")
	errs := notNegative(path.Child("replicas"), c.replicas)
	errs = append(errs, notNegative(path.Child("fullyLabeledReplicas"), c.fullyLabeled)...)
	errs = append(errs, notNegative(path.Child("readyReplicas"), c.ready)...)
	errs = append(errs, notNegative(path.Child("availableReplicas"), c.available)...)
	errs = append(errs, notNegative(path.Child("observedGeneration"), c.observedGeneration)...)
	const above = "cannot be greater than status.replicas"
	if c.fullyLabeled > c.replicas {
		errs = append(errs, field.Invalid(path.Child("fullyLabeledReplicas"), c.fullyLabeled, above))
	}
	if c.ready > c.replicas {
		errs = append(errs, field.Invalid(path.Child("readyReplicas"), c.ready, above))
	}
	if c.available > c.replicas {
		errs = append(errs, field.Invalid(path.Child("availableReplicas"), c.available, above))
	}
	if c.available > c.ready {
		errs = append(errs, field.Invalid(path.Child("availableReplicas"), c.available,
			"cannot be greater than readyReplicas"))
	}
	return errs
}
