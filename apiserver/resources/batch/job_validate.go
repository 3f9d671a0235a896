package batch

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
)

// The checks of Jobs and of the templates of CronJobs (pkg/apis/batch/validation/validation.go).

// What an Indexed Job may grow to, and how long the name of another controller may be.
const (
	maxInParallel     = 100_000
	maxFailedIndexes  = 100_000
	maxFailedWhenMany = 10_000
	maxManagedBy      = 63
)

func validateJob(j, old *batchv1.Job) field.ErrorList {
	path, spec := field.NewPath("spec"), &j.Spec
	var errs field.ErrorList
	if old == nil {
		errs = validateGeneratedLabels(j)
	}
	errs = append(errs, validateJobSpec(path, spec)...)
	if spec.Selector == nil {
		errs = append(errs, field.Required(path.Child("selector"), ""))
	} else {
		errs = append(errs, validation.LabelSelector(path.Child("selector"), spec.Selector)...)
	}
	made := labels.Set(spec.Template.Labels)
	if s, err := metav1.LabelSelectorAsSelector(spec.Selector); err == nil && !s.Matches(made) {
		errs = append(errs, field.Invalid(path.Child("template", "metadata", "labels"), spec.Template.Labels,
			"`selector` does not match template `labels`"))
	}
	// The hostname of the last pod of an Indexed Job is the longest.
	if n := ptr.Deref(spec.Completions, 0); isIndexed(spec) && n > 0 {
		last := fmt.Sprintf("%s-%d", j.Name, n-1)
		if len(utilvalidation.IsDNS1123Label(last)) > 0 {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), j.Name,
				"will not able to create pod with invalid DNS label: "+last))
		}
	}
	if old != nil {
		errs = append(errs, validateJobUpdate(path, spec, old)...)
	}
	return errs
}

// validateGeneratedLabels finds the labels and the selector that a client gave against those that the server makes.
func validateGeneratedLabels(j *batchv1.Job) field.ErrorList {
	if ptr.Deref(j.Spec.ManualSelector, false) || j.Spec.Selector == nil {
		return nil
	}
	wanted := jobLabels(j)
	path := field.NewPath("spec", "template", "metadata", "labels")
	var errs field.ErrorList
	for _, key := range []string{legacyControllerUID, legacyJobName, batchv1.ControllerUidLabel, batchv1.JobNameLabel} {
		must := fmt.Sprintf("must be '%s'", wanted[key])
		if value, ok := j.Spec.Template.Labels[key]; !ok {
			errs = append(errs, field.Required(path.Key(key), must))
		} else if value != wanted[key] {
			errs = append(errs, field.Invalid(path.Key(key), j.Spec.Template.Labels, must))
		}
	}
	if s, err := metav1.LabelSelectorAsSelector(j.Spec.Selector); err == nil && !s.Matches(labels.Set(wanted)) {
		errs = append(errs, field.Invalid(field.NewPath("spec", "selector"), j.Spec.Selector,
			"`selector` not auto-generated"))
	}
	return errs
}

// validateJobSpec checks what a Job and the template of a CronJob have in common.
func validateJobSpec(path *field.Path, s *batchv1.JobSpec) field.ErrorList {
	errs := notNegativeIfSet(path.Child("parallelism"), s.Parallelism)
	errs = append(errs, notNegativeIfSet(path.Child("completions"), s.Completions)...)
	errs = append(errs, notNegativeIfSet(path.Child("activeDeadlineSeconds"), s.ActiveDeadlineSeconds)...)
	errs = append(errs, notNegativeIfSet(path.Child("backoffLimit"), s.BackoffLimit)...)
	errs = append(errs, notNegativeIfSet(path.Child("ttlSecondsAfterFinished"), s.TTLSecondsAfterFinished)...)
	errs = append(errs, notNegativeIfSet(path.Child("backoffLimitPerIndex"), s.BackoffLimitPerIndex)...)
	errs = append(errs, notNegativeIfSet(path.Child("maxFailedIndexes"), s.MaxFailedIndexes)...)
	if s.MaxFailedIndexes != nil && s.BackoffLimitPerIndex == nil {
		errs = append(errs, field.Required(path.Child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"))
	}
	if by := s.ManagedBy; by != nil {
		errs = append(errs, utilvalidation.IsDomainPrefixedPath(path.Child("managedBy"), *by)...)
		if len(*by) > maxManagedBy {
			errs = append(errs, field.TooLong(path.Child("managedBy"), "", maxManagedBy))
		}
	}
	errs = append(errs, validateCompletionMode(path, s)...)
	errs = append(errs, validateFailurePolicy(path.Child("podFailurePolicy", "rules"), s)...)
	errs = append(errs, validateSuccessPolicy(path.Child("successPolicy"), s)...)
	errs = append(errs, validateReplacement(path.Child("podReplacementPolicy"), s)...)
	errs = append(errs, podspec.ValidateTemplate(path.Child("template"), &s.Template)...)
	return append(errs, validateJobRestart(path.Child("template", "spec", "restartPolicy"), s)...)
}

func notNegativeIfSet[T ~int32 | ~int64](path *field.Path, value *T) field.ErrorList {
	if value == nil {
		return nil
	}
	return validation.NotNegative(path, *value)
}

// validateCompletionMode checks what only Indexed Jobs have, and how large they may be.
func validateCompletionMode(path *field.Path, s *batchv1.JobSpec) field.ErrorList {
	switch mode := ptr.Deref(s.CompletionMode, batchv1.NonIndexedCompletion); mode {
	case batchv1.IndexedCompletion:
		return validateIndexed(path, s)
	case batchv1.NonIndexedCompletion:
	default:
		return field.ErrorList{field.NotSupported(path.Child("completionMode"), mode,
			[]batchv1.CompletionMode{batchv1.NonIndexedCompletion, batchv1.IndexedCompletion})}
	}
	var errs field.ErrorList
	const indexed = "requires indexed completion mode"
	if s.BackoffLimitPerIndex != nil {
		errs = append(errs, field.Invalid(path.Child("backoffLimitPerIndex"), *s.BackoffLimitPerIndex, indexed))
	}
	if s.MaxFailedIndexes != nil {
		errs = append(errs, field.Invalid(path.Child("maxFailedIndexes"), *s.MaxFailedIndexes, indexed))
	}
	return errs
}

func validateIndexed(path *field.Path, s *batchv1.JobSpec) field.ErrorList {
	var errs field.ErrorList
	parallelism, failed := path.Child("parallelism"), path.Child("maxFailedIndexes")
	if s.Completions == nil {
		errs = append(errs, field.Required(path.Child("completions"), "when completion mode is Indexed"))
	}
	atMost := func(at *field.Path, value *int32, limit int32, when string) {
		if value != nil && *value > limit {
			errs = append(errs, field.Invalid(at, *value, fmt.Sprintf("must be less than or equal to %d%s", limit, when)))
		}
	}
	atMost(parallelism, s.Parallelism, maxInParallel, " when completion mode is Indexed")
	if s.Completions != nil && s.MaxFailedIndexes != nil && *s.MaxFailedIndexes > *s.Completions {
		errs = append(errs, field.Invalid(failed, *s.MaxFailedIndexes, "must be less than or equal to completions"))
	}
	atMost(failed, s.MaxFailedIndexes, maxFailedIndexes, "")
	if ptr.Deref(s.Completions, 0) > manyCompletions && s.BackoffLimitPerIndex != nil {
		if s.MaxFailedIndexes == nil {
			errs = append(errs, field.Required(failed,
				fmt.Sprintf("must be specified when completions is above %d", manyCompletions)))
		}
		when := fmt.Sprintf(" when completions are above %d and used with backoff limit per index", manyCompletions)
		atMost(parallelism, s.Parallelism, manyInParallel, when)
		atMost(failed, s.MaxFailedIndexes, maxFailedWhenMany, when)
	}
	return errs
}

// validateJobRestart asks for a policy under which a pod can end. Always is what the default made of nothing.
func validateJobRestart(path *field.Path, s *batchv1.JobSpec) field.ErrorList {
	switch policy := s.Template.Spec.RestartPolicy; {
	case policy == corev1.RestartPolicyAlways, policy == "":
		return field.ErrorList{field.Required(path, fmt.Sprintf("valid values: %q, %q",
			corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever))}
	case policy != corev1.RestartPolicyOnFailure && policy != corev1.RestartPolicyNever:
		return field.ErrorList{field.NotSupported(path, policy,
			[]corev1.RestartPolicy{corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever})}
	case s.PodFailurePolicy != nil && policy != corev1.RestartPolicyNever:
		return field.ErrorList{field.Invalid(path, policy, fmt.Sprintf(
			"only %q is supported when podFailurePolicy is specified", corev1.RestartPolicyNever))}
	}
	return nil
}
