package batch

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/validation"
)

// validateJobUpdate holds a Job to the pods that it has made: what they are and how they are counted stays.
func validateJobUpdate(path *field.Path, spec *batchv1.JobSpec, old *batchv1.Job) field.ErrorList {
	was := &old.Spec
	errs := validateCompletionsUpdate(path, spec, was)
	errs = append(errs, validation.Immutable(path.Child("selector"), spec.Selector, was.Selector)...)
	errs = append(errs, validation.Immutable(path.Child("template"), &spec.Template, mutableTemplate(spec, old))...)
	errs = append(errs, validation.Immutable(path.Child("completionMode"), spec.CompletionMode, was.CompletionMode)...)
	errs = append(errs, validation.Immutable(path.Child("podFailurePolicy"), spec.PodFailurePolicy, was.PodFailurePolicy)...)
	errs = append(errs,
		validation.Immutable(path.Child("backoffLimitPerIndex"), spec.BackoffLimitPerIndex, was.BackoffLimitPerIndex)...)
	errs = append(errs, validation.Immutable(path.Child("managedBy"), spec.ManagedBy, was.ManagedBy)...)
	return append(errs, validation.Immutable(path.Child("successPolicy"), spec.SuccessPolicy, was.SuccessPolicy)...)
}

// validateCompletionsUpdate lets an Indexed Job grow and shrink, as long as all of its pods run at once.
func validateCompletionsUpdate(path *field.Path, spec, old *batchv1.JobSpec) field.ErrorList {
	completions := path.Child("completions")
	if !isIndexed(spec) {
		return validation.Immutable(completions, spec.Completions, old.Completions)
	}
	if spec.Completions == nil || apiequality.Semantic.DeepEqual(spec.Completions, old.Completions) ||
		ptr.Equal(spec.Completions, spec.Parallelism) {
		return nil
	}
	return field.ErrorList{field.Invalid(completions, *spec.Completions,
		"can only be modified in tandem with "+path.Child("parallelism").String())}
}

// mutableTemplate is the old template, with all of the new one that may have changed: where the pods run and what they
// ask for, as long as the Job has none. A queue in front of the cluster decides that late.
func mutableTemplate(spec *batchv1.JobSpec, old *batchv1.Job) *corev1.PodTemplateSpec {
	was := old.Spec.Template.DeepCopy()
	if !atRest(old) {
		return was
	}
	is := &spec.Template
	was.Spec.Affinity = withNodeAffinity(was.Spec.Affinity, is.Spec.Affinity)
	was.Spec.NodeSelector = is.Spec.NodeSelector
	was.Spec.Tolerations = is.Spec.Tolerations
	was.Spec.SchedulingGates = is.Spec.SchedulingGates
	was.Annotations, was.Labels = is.Annotations, is.Labels
	withResources(was.Spec.InitContainers, is.Spec.InitContainers)
	withResources(was.Spec.Containers, is.Spec.Containers)
	return was
}

// atRest: the Job is suspended, and has either never started or been brought to a stop.
func atRest(j *batchv1.Job) bool {
	return ptr.Deref(j.Spec.Suspend, false) && j.Status.Active == 0 &&
		(j.Status.StartTime == nil || jobIs(j, batchv1.JobSuspended))
}

// withResources gives the old containers what the new ones of the same name ask for.
func withResources(old, new []corev1.Container) {
	for i := range min(len(old), len(new)) {
		if old[i].Name == new[i].Name {
			old[i].Resources = new[i].Resources
		}
	}
}

// withNodeAffinity is the old affinity with the node affinity of the new one. It may appear and go with it.
func withNodeAffinity(old, new *corev1.Affinity) *corev1.Affinity {
	if old == nil {
		old = &corev1.Affinity{}
	}
	if new == nil {
		old.NodeAffinity = nil
		if *old == (corev1.Affinity{}) {
			return nil
		}
		return old
	}
	old.NodeAffinity = new.NodeAffinity
	return old
}
