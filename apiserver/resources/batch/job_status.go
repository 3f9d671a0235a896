package batch

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/validation"
)

// jobIs reports whether the condition is true of the Job.
func jobIs(j *batchv1.Job, kind batchv1.JobConditionType) bool {
	return slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == kind && c.Status == corev1.ConditionTrue
	})
}

// validateJobStatus holds a status to what a Job can be. Any controller may write it (spec.managedBy), and everybody
// else counts on it. Upstream overlooks what an update leaves as it was, for the sake of Jobs from before the rules;
// here there are none, except where the number of completions has changed since.
func validateJobStatus(j, old *batchv1.Job) field.ErrorList {
	path := field.NewPath("status")
	errs := validateJobCounts(path, &j.Status)
	errs = append(errs, validateUncounted(path.Child("uncountedTerminatedPods"), j.Status.UncountedTerminatedPods)...)
	errs = append(errs, validateJobEnd(path, j)...)
	errs = append(errs, validateJobIndexes(path, j, old)...)
	if old != nil {
		errs = append(errs, validateJobProgress(path, j, old)...)
	}
	return errs
}

func validateJobCounts(path *field.Path, s *batchv1.JobStatus) field.ErrorList {
	errs := validation.NotNegative(path.Child("active"), s.Active)
	errs = append(errs, validation.NotNegative(path.Child("succeeded"), s.Succeeded)...)
	errs = append(errs, validation.NotNegative(path.Child("failed"), s.Failed)...)
	errs = append(errs, notNegativeIfSet(path.Child("ready"), s.Ready)...)
	errs = append(errs, notNegativeIfSet(path.Child("terminating"), s.Terminating)...)
	if s.Ready != nil && *s.Ready > s.Active {
		errs = append(errs, field.Invalid(path.Child("ready"), *s.Ready, "cannot set more ready pods than active"))
	}
	return errs
}

// validateUncounted names every pod once.
func validateUncounted(path *field.Path, pods *batchv1.UncountedTerminatedPods) field.ErrorList {
	if pods == nil {
		return nil
	}
	var errs field.ErrorList
	seen := validation.Unique{}
	add := func(at *field.Path, uid string) {
		if uid == "" {
			errs = append(errs, field.Invalid(at, uid, "must not be empty"))
			return
		}
		errs = append(errs, seen.Add(at, uid)...)
	}
	for i, uid := range pods.Succeeded {
		add(path.Child("succeeded").Index(i), string(uid))
	}
	for i, uid := range pods.Failed {
		add(path.Child("failed").Index(i), string(uid))
	}
	return errs
}

// validateJobEnd checks that the conditions do not contradict each other, and that a Job which has ended has nothing
// left that runs. Complete and Failed are announced: by SuccessCriteriaMet and FailureTarget, while pods still go.
func validateJobEnd(path *field.Path, j *batchv1.Job) field.ErrorList {
	var errs field.ErrorList
	s := &j.Status
	complete, failed := jobIs(j, batchv1.JobComplete), jobIs(j, batchv1.JobFailed)
	succeeding, failing := jobIs(j, batchv1.JobSuccessCriteriaMet), jobIs(j, batchv1.JobFailureTarget)
	for _, c := range []struct {
		wrong   bool
		message string
	}{
		{complete && failed, "cannot set Complete=True and Failed=true conditions"},
		{complete && failing, "cannot set Complete=True and FailureTarget=true conditions"},
		{failed && !failing, "cannot set Failed=True condition without the FailureTarget=true condition"},
		{complete && !succeeding, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"},
		{succeeding && failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"},
		{succeeding && failing, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"},
	} {
		if c.wrong {
			errs = append(errs, field.Invalid(path.Child("conditions"), field.OmitValueType{}, c.message))
		}
	}
	completed := path.Child("completionTime")
	switch {
	case complete && s.CompletionTime == nil:
		errs = append(errs, field.Required(completed, "completionTime is required for Complete jobs"))
	case !complete && s.CompletionTime != nil:
		errs = append(errs, field.Invalid(completed, s.CompletionTime,
			"cannot set completionTime when there is no Complete=True condition"))
	}
	if s.StartTime != nil && s.CompletionTime != nil && s.CompletionTime.Before(s.StartTime) {
		errs = append(errs, field.Invalid(completed, s.CompletionTime, "must be equal to or after `startTime`"))
	}
	if !complete && !failed {
		return errs
	}
	if s.Active > 0 {
		errs = append(errs, field.Invalid(path.Child("active"), s.Active, "active>0 is invalid for finished job"))
	}
	if s.StartTime == nil {
		errs = append(errs, field.Required(path.Child("startTime"), "startTime is required for finished job"))
	}
	if u := s.UncountedTerminatedPods; u != nil && len(u.Succeeded)+len(u.Failed) > 0 {
		errs = append(errs, field.Invalid(path.Child("uncountedTerminatedPods"), u,
			"must be empty for finished job"))
	}
	if n := ptr.Deref(s.Terminating, 0); n > 0 {
		errs = append(errs, field.Invalid(path.Child("terminating"), n, "terminating>0 is invalid for finished job"))
	}
	return errs
}

// validateJobIndexes checks the lists of indexes when they change: the completions that they were right for may have.
func validateJobIndexes(path *field.Path, j, old *batchv1.Job) field.ErrorList {
	s, was := &j.Status, &batchv1.JobStatus{}
	if old != nil {
		was = &old.Status
	}
	newCompleted, newFailed := s.CompletedIndexes != was.CompletedIndexes, !ptr.Equal(s.FailedIndexes, was.FailedIndexes)
	if !newCompleted && !newFailed {
		return nil
	}
	var errs field.ErrorList
	at, failedAt := path.Child("completedIndexes"), path.Child("failedIndexes")
	failedList, n := ptr.Deref(s.FailedIndexes, ""), ptr.Deref(j.Spec.Completions, 0)
	_, completedErr := parseIndexes(s.CompletedIndexes, n)
	_, failedErr := parseIndexes(failedList, n)
	if newCompleted {
		if j.Spec.Completions != nil && completedErr != nil {
			errs = append(errs, field.Invalid(at, s.CompletedIndexes,
				"error parsing completedIndexes: "+completedErr.Error()))
		}
		if s.CompletedIndexes != "" && !isIndexed(&j.Spec) {
			errs = append(errs, field.Invalid(at, s.CompletedIndexes,
				"cannot set non-empty completedIndexes when non-indexed completion mode"))
		}
	}
	if newFailed && s.FailedIndexes != nil {
		if j.Spec.BackoffLimitPerIndex == nil {
			errs = append(errs, field.Invalid(failedAt, failedList,
				"cannot set non-null failedIndexes when backoffLimitPerIndex is null"))
		} else if j.Spec.Completions != nil && failedErr != nil {
			errs = append(errs, field.Invalid(failedAt, s.FailedIndexes, "error parsing failedIndexes: "+failedErr.Error()))
		}
	}
	if j.Spec.Completions == nil {
		return errs
	}
	if index, ok := overlap(soundIndexes(s.CompletedIndexes, n), soundIndexes(failedList, n)); ok {
		errs = append(errs, field.Invalid(failedAt, s.FailedIndexes,
			fmt.Sprintf("failedIndexes and completedIndexes overlap at index: %d", index)))
	}
	return errs
}

// validateJobProgress lets nothing be undone: neither an end, nor what has been counted.
func validateJobProgress(path *field.Path, j, old *batchv1.Job) field.ErrorList {
	var errs field.ErrorList
	s, was := &j.Status, &old.Status
	for _, end := range []batchv1.JobConditionType{batchv1.JobFailed, batchv1.JobComplete, batchv1.JobFailureTarget} {
		if jobIs(old, end) && !jobIs(j, end) {
			errs = append(errs, field.Invalid(path.Child("conditions"), field.OmitValueType{},
				fmt.Sprintf("cannot disable the terminal %s=True condition", end)))
		}
	}
	if s.Failed < was.Failed {
		errs = append(errs, field.Invalid(path.Child("failed"), s.Failed, "cannot decrease the failed counter"))
	}
	// A Job that runs all of its indexes at once may have been made smaller.
	elastic := isIndexed(&j.Spec) && ptr.Equal(j.Spec.Completions, j.Spec.Parallelism)
	if s.Succeeded < was.Succeeded && !elastic {
		errs = append(errs, field.Invalid(path.Child("succeeded"), s.Succeeded, "cannot decrease the succeeded counter"))
	}
	if s.CompletionTime != nil && was.CompletionTime != nil && !s.CompletionTime.Equal(was.CompletionTime) {
		errs = append(errs, field.Invalid(path.Child("completionTime"), s.CompletionTime,
			"field is immutable"))
	}
	if was.StartTime != nil && !was.StartTime.Equal(s.StartTime) && !ptr.Deref(j.Spec.Suspend, false) {
		errs = append(errs, field.Invalid(path.Child("startTime"), s.StartTime, "field is immutable for unsuspended job once set"))
	}
	if jobIs(old, batchv1.JobSuccessCriteriaMet) && !jobIs(j, batchv1.JobSuccessCriteriaMet) {
		errs = append(errs, field.Invalid(path.Child("conditions"), field.OmitValueType{},
			"cannot disable the SuccessCriteriaMet=True condition"))
	}
	return errs
}
