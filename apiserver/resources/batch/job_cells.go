package batch

import (
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/printers"
)

func jobColumns() []metav1.TableColumnDefinition {
	return append([]metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Status", "string", 0, "Status of the job."),
		printers.Column("Completions", "string", 0, batchv1.JobStatus{}.SwaggerDoc()["succeeded"]),
		printers.Column("Duration", "string", 0, "Time required to complete the job."),
		printers.AgeColumn(),
	}, printers.TemplateColumns(batchv1.JobSpec{}.SwaggerDoc()["selector"])...)
}

func jobCells(j *batchv1.Job, now time.Time) []any {
	names, images := printers.ContainerCells(j.Spec.Template.Spec.Containers)
	return []any{
		j.Name, jobState(j), jobCompletions(j), jobDuration(&j.Status, now), printers.Age(j.CreationTimestamp, now),
		names, images, metav1.FormatLabelSelector(j.Spec.Selector),
	}
}

// jobState is the first that applies, in upstream's order: how it ended before what it is asked for. Of two conditions of one type the
// first counts, as in upstream's table.
func jobState(j *batchv1.Job) string {
	jobIs := func(j *batchv1.Job, kind batchv1.JobConditionType) bool {
		i := slices.IndexFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool { return c.Type == kind })
		return i >= 0 && j.Status.Conditions[i].Status == corev1.ConditionTrue
	}
	switch {
	case jobIs(j, batchv1.JobComplete):
		return "Complete"
	case jobIs(j, batchv1.JobFailed):
		return "Failed"
	case j.DeletionTimestamp != nil:
		return "Terminating"
	case jobIs(j, batchv1.JobSuspended):
		return "Suspended"
	case jobIs(j, batchv1.JobFailureTarget):
		return "FailureTarget"
	case jobIs(j, batchv1.JobSuccessCriteriaMet):
		return "SuccessCriteriaMet"
	}
	return "Running"
}

// jobCompletions is how many pods have succeeded of how many: of a queue, one of those that run.
func jobCompletions(j *batchv1.Job) string {
	done := j.Status.Succeeded
	if j.Spec.Completions != nil {
		return fmt.Sprintf("%d/%d", done, *j.Spec.Completions)
	}
	if workers := ptr.Deref(j.Spec.Parallelism, 0); workers > 1 {
		return fmt.Sprintf("%d/1 of %d", done, workers)
	}
	return fmt.Sprintf("%d/1", done)
}

// jobDuration is for how long a Job has run, or did.
func jobDuration(s *batchv1.JobStatus, now time.Time) string {
	switch {
	case s.StartTime == nil:
		return ""
	case s.CompletionTime != nil:
		now = s.CompletionTime.Time
	}
	return duration.HumanDuration(now.Sub(s.StartTime.Time))
}
