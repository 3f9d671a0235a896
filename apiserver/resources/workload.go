package resources

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// What the kinds that keep pods running have in common: a number of pods, a template that they are made from, and a
// selector by which they are found again.

// validateSelector asks for a selector that selects something in particular. The message speaks of deployments for
// ReplicaSets too, as upstream's does.
func validateSelector(path *field.Path, s *metav1.LabelSelector) field.ErrorList {
	return validateSelectorOf("deployment", path, s)
}

// validateSelectorOf names the kind in the message about empty selectors.
func validateSelectorOf(kind string, path *field.Path, s *metav1.LabelSelector) field.ErrorList {
	if s == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	errs := labelSelector(path, s)
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		errs = append(errs, field.Invalid(path, s, "empty selector is invalid for "+kind))
	}
	return errs
}

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

// statusNumber is a number of a status, under its name.
type statusNumber struct {
	name  string
	value int64
}

func noneNegative(path *field.Path, numbers ...statusNumber) field.ErrorList {
	var errs field.ErrorList
	for _, n := range numbers {
		errs = append(errs, notNegative(path.Child(n.name), n.value)...)
	}
	return errs
}

// validateCollisions lets a status count hashes that collided, and never forget one: its name would be tried again.
func validateCollisions(path *field.Path, count, old *int32) field.ErrorList {
	errs := notNegative(path, ptr.Deref(count, 0))
	if old != nil && (count == nil || *count < *old) {
		errs = append(errs, field.Invalid(path, ptr.Deref(count, 0), "cannot be decremented"))
	}
	return errs
}

// intOrPercent takes a number of pods or a share of them.
func intOrPercent(path *field.Path, v *intstr.IntOrString) field.ErrorList {
	if v == nil {
		return nil
	}
	if v.Type == intstr.String {
		return mistakes(path, *v, utilvalidation.IsValidPercent(v.StrVal))
	}
	return notNegative(path, v.IntVal)
}

// percent is the share that v names, if it names one.
func percent(v *intstr.IntOrString) (int, bool) {
	if v == nil || v.Type != intstr.String {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSuffix(v.StrVal, "%"))
	return n, err == nil
}

// atMostAll refuses a share of more than the whole.
func atMostAll(path *field.Path, v *intstr.IntOrString) field.ErrorList {
	if share, ok := percent(v); ok && share > 100 {
		return field.ErrorList{field.Invalid(path, *v, "must not be greater than 100%")}
	}
	return nil
}

// isZero says that v names no pod at all; what is no number counts as none, as upstream.
func isZero(v *intstr.IntOrString) bool {
	if n, ok := percent(v); ok {
		return n == 0
	}
	return v == nil || v.IntValue() == 0
}
