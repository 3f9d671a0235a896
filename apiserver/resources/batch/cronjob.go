package batch

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // a zone is known, or not, on every machine alike

	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func cronJobs() *resources.Resource {
	return &resources.Resource{
		Kind:       batchv1.SchemeGroupVersion.WithKind("CronJob"),
		Plural:     "cronjobs",
		NameOnce:   true,
		ShortNames: []string{"cj"},
		Categories: []string{"all"},
		New:        func() resources.Object { return &batchv1.CronJob{} },
		NewList:    func() runtime.Object { return &batchv1.CronJobList{} },
		Generation: true,
		Idle:       "no controller makes Jobs of it",
		Subresources: []resources.Subresource{
			// Upstream checks nothing of the status.
			resources.Status(func(c, body *batchv1.CronJob) { c.Status = body.Status },
				func(_, _ *batchv1.CronJob) field.ErrorList { return nil }).WithMeta(resources.BareMeta),
		},
		Default: resources.Each(defaultCronJob),
		Prepare: resources.Pair(func(c, _ *batchv1.CronJob) {
			c.Spec.JobTemplate.Spec.Scheduling = nil // alpha upstream, where it is dropped as long as WorkloadWithJob is off
		}),
		Validate: resources.Check(validateCronJob),
		Warn:     resources.Warn(warnCronJob),
		Columns:  cronJobColumns(),
		Cells:    resources.Cells(cronJobCells),
	}
}

// defaultCronJob lets runs overlap, and keeps the last three Jobs that succeeded and the last that failed. Of the Jobs
// to come only the pods are completed: the rest is filled in when one is made.
func defaultCronJob(c *batchv1.CronJob) {
	spec := &c.Spec
	if spec.ConcurrencyPolicy == "" {
		spec.ConcurrencyPolicy = batchv1.AllowConcurrent
	}
	if spec.Suspend == nil {
		spec.Suspend = ptr.To(false)
	}
	if spec.SuccessfulJobsHistoryLimit == nil {
		spec.SuccessfulJobsHistoryLimit = ptr.To(int32(3))
	}
	if spec.FailedJobsHistoryLimit == nil {
		spec.FailedJobsHistoryLimit = ptr.To(int32(1))
	}
	defaultFailurePolicy(spec.JobTemplate.Spec.PodFailurePolicy)
	podspec.DefaultTemplate(&spec.JobTemplate.Spec.Template)
}

// maxCronJobName leaves room for the 11 characters by which a Job's name is longer than that of its CronJob.
const maxCronJobName = 52

func validateCronJob(c, old *batchv1.CronJob) field.ErrorList {
	path, spec := field.NewPath("spec"), &c.Spec
	errs := validateSchedule(path.Child("schedule"), spec.Schedule)
	errs = append(errs, notNegativeIfSet(path.Child("startingDeadlineSeconds"), spec.StartingDeadlineSeconds)...)
	if old == nil || !ptr.Equal(spec.TimeZone, old.Spec.TimeZone) { // a zone may be abolished while it is used
		errs = append(errs, validateTimeZone(path.Child("timeZone"), spec.TimeZone)...)
	}
	errs = append(errs, validation.OneOf(path.Child("concurrencyPolicy"), spec.ConcurrencyPolicy,
		batchv1.AllowConcurrent, batchv1.ForbidConcurrent, batchv1.ReplaceConcurrent)...)
	errs = append(errs, validateJobTemplate(path.Child("jobTemplate", "spec"), &spec.JobTemplate.Spec)...)
	errs = append(errs,
		notNegativeIfSet(path.Child("successfulJobsHistoryLimit"), spec.SuccessfulJobsHistoryLimit)...)
	errs = append(errs, notNegativeIfSet(path.Child("failedJobsHistoryLimit"), spec.FailedJobsHistoryLimit)...)
	if old == nil && len(c.Name) > maxCronJobName {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), c.Name,
			fmt.Sprintf("must be no more than %d characters", maxCronJobName)))
	}
	return errs
}

// validateSchedule takes the five fields of cron, or a word such as @daily. The library would take a zone too, which
// has a field of its own.
func validateSchedule(path *field.Path, schedule string) field.ErrorList {
	if schedule == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if _, err := cron.ParseStandard(schedule); err != nil {
		errs = append(errs, field.Invalid(path, schedule, err.Error()))
	}
	if strings.Contains(schedule, "TZ") {
		errs = append(errs, field.Invalid(path, schedule,
			"cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
	}
	return errs
}

// zonePart is a part of a zone's name between slashes. Names are looked up as files, and so must not lead elsewhere.
var zonePart = regexp.MustCompile(`^[A-Za-z._0-9+][A-Za-z.\-_0-9+]{0,13}$`)

func validateTimeZone(path *field.Path, zone *string) field.ErrorList {
	if zone == nil {
		return nil
	}
	if *zone == "" {
		return field.ErrorList{field.Invalid(path, zone, "timeZone must be nil or non-empty string")}
	}
	for part := range strings.SplitSeq(*zone, "/") {
		if part == "." || part == ".." || !zonePart.MatchString(part) {
			return field.ErrorList{field.Invalid(path, zone, "unknown time zone "+*zone)}
		}
	}
	var errs field.ErrorList
	if strings.EqualFold(*zone, "Local") {
		errs = append(errs, field.Invalid(path, zone,
			"timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"))
	}
	if _, err := time.LoadLocation(*zone); err != nil {
		errs = append(errs, field.Invalid(path, zone, err.Error()))
	}
	return errs
}

// validateJobTemplate checks the Jobs to come. Their selectors are always made.
func validateJobTemplate(path *field.Path, s *batchv1.JobSpec) field.ErrorList {
	errs := validateJobSpec(path, s)
	if s.Selector != nil {
		errs = append(errs, field.Invalid(path.Child("selector"), s.Selector, "`selector` will be auto-generated"))
	}
	if ptr.Deref(s.ManualSelector, false) {
		errs = append(errs, field.NotSupported(path.Child("manualSelector"), *s.ManualSelector, []string{"nil", "false"}))
	}
	return errs
}

func warnCronJob(c, old *batchv1.CronJob) []string {
	path := field.NewPath("spec", "jobTemplate", "spec")
	switch {
	case old == nil:
		return append(podspec.WarnName(c.Name), warnJobSpec(path, &c.Spec.JobTemplate.Spec)...)
	case c.Generation == old.Generation:
		return nil
	}
	return warnJobSpec(path, &c.Spec.JobTemplate.Spec)
}

func cronJobColumns() []metav1.TableColumnDefinition {
	spec, status := batchv1.CronJobSpec{}.SwaggerDoc(), batchv1.CronJobStatus{}.SwaggerDoc()
	return append([]metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Schedule", "string", 0, spec["schedule"]),
		printers.Column("Timezone", "string", 0, spec["timeZone"]),
		printers.Column("Suspend", "boolean", 0, spec["suspend"]),
		printers.Column("Active", "integer", 0, status["active"]),
		printers.Column("Last Schedule", "string", 0, status["lastScheduleTime"]),
		printers.AgeColumn(),
	}, printers.TemplateColumns(batchv1.JobSpec{}.SwaggerDoc()["selector"])...)
}

func cronJobCells(c *batchv1.CronJob, now time.Time) []any {
	names, images := printers.ContainerCells(c.Spec.JobTemplate.Spec.Template.Spec.Containers)
	last := printers.None
	if at := c.Status.LastScheduleTime; at != nil {
		last = printers.Age(*at, now)
	}
	return []any{
		c.Name, c.Spec.Schedule, ptr.Deref(c.Spec.TimeZone, printers.None), printers.OrUnset(boolWord(c.Spec.Suspend)),
		int64(len(c.Status.Active)), last, printers.Age(c.CreationTimestamp, now),
		names, images, metav1.FormatLabelSelector(c.Spec.JobTemplate.Spec.Selector),
	}
}

// boolWord is a truth value as kubectl get shows it; empty where there is none.
func boolWord(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "True"
	}
	return "False"
}
