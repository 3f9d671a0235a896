package batch

import (
	"math"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
)

// jobs is the row of work that ends. Its hooks stand in job_validate.go, job_update.go, job_policy.go (what failures
// and successes mean), job_status.go (what a controller may report) and job_cells.go.
func jobs() *resources.Resource {
	return &resources.Resource{
		Kind:       batchv1.SchemeGroupVersion.WithKind("Job"),
		Plural:     "jobs",
		NameOnce:   true,
		Categories: []string{"all"},
		New:        func() resources.Object { return &batchv1.Job{} },
		NewList:    func() runtime.Object { return &batchv1.JobList{} },
		Generation: true,
		Idle:       "no controller makes pods of it",
		Subresources: []resources.Subresource{
			resources.Status(func(j, body *batchv1.Job) { j.Status = body.Status }, validateJobStatus),
		},
		Default:  resources.Each(defaultJob),
		Prepare:  resources.Pair(prepareJob),
		Validate: resources.Check(validateJob),
		Warn:     resources.Warn(warnJob),
		Fields: resources.Of(func(j *batchv1.Job) fields.Set {
			return fields.Set{"status.successful": strconv.Itoa(int(j.Status.Succeeded))}
		}),
		OrphanByDefault: true,
		WarnOrphaned: "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to " +
			"remove them or set propagationPolicy=Orphan to suppress this warning",
		Columns: jobColumns(),
		Cells:   resources.Cells(jobCells),
	}
}

// defaultJob makes a Job that says no number one of one pod. One that says how many pods run at once, and not how many
// are to succeed, is a queue of work: it is done when one of them succeeds.
func defaultJob(j *batchv1.Job) {
	spec := &j.Spec
	if spec.Completions == nil && spec.Parallelism == nil {
		spec.Completions = ptr.To(int32(1))
	}
	if spec.Parallelism == nil {
		spec.Parallelism = ptr.To(int32(1))
	}
	if spec.BackoffLimit == nil {
		spec.BackoffLimit = ptr.To(int32(6))
		if spec.BackoffLimitPerIndex != nil { // each index has a limit of its own
			spec.BackoffLimit = ptr.To(int32(math.MaxInt32))
		}
	}
	if len(j.Labels) == 0 {
		j.Labels = spec.Template.Labels // one map (upstream): the labels that prepareJob makes become the Job's as well
	}
	if spec.CompletionMode == nil {
		spec.CompletionMode = ptr.To(batchv1.NonIndexedCompletion)
	}
	if spec.Suspend == nil {
		spec.Suspend = ptr.To(false)
	}
	if spec.PodReplacementPolicy == nil {
		spec.PodReplacementPolicy = ptr.To(batchv1.TerminatingOrFailed)
		if spec.PodFailurePolicy != nil { // which can judge a pod only when it has ended
			spec.PodReplacementPolicy = ptr.To(batchv1.Failed)
		}
	}
	if spec.ManualSelector == nil {
		spec.ManualSelector = ptr.To(false)
	}
	defaultFailurePolicy(spec.PodFailurePolicy)
	podspec.DefaultTemplate(&spec.Template)
}

func defaultFailurePolicy(policy *batchv1.PodFailurePolicy) {
	if policy == nil {
		return
	}
	for i := range policy.Rules {
		for j := range policy.Rules[i].OnPodConditions {
			if pattern := &policy.Rules[i].OnPodConditions[j]; pattern.Status == "" {
				pattern.Status = corev1.ConditionTrue
			}
		}
	}
}

// The labels from before labels of Kubernetes had a prefix. Every pod of a Job still has them.
const (
	legacyJobName       = "job-name"
	legacyControllerUID = "controller-uid"
)

// prepareJob labels the template of a new Job with its name and UID, and selects by the UID, so that no two Jobs share
// pods. A label that is given already stays: the check of the labels speaks of it.
func prepareJob(j, old *batchv1.Job) {
	j.Spec.Scheduling = nil // alpha upstream, where it is dropped as long as WorkloadWithJob is off
	if old != nil || ptr.Deref(j.Spec.ManualSelector, false) {
		return
	}
	template := &j.Spec.Template
	for key, value := range jobLabels(j) {
		setDefaultLabel(&template.Labels, key, value)
	}
	if j.Spec.Selector == nil {
		j.Spec.Selector = &metav1.LabelSelector{}
	}
	setDefaultLabel(&j.Spec.Selector.MatchLabels, batchv1.ControllerUidLabel, string(j.UID))
}

// jobLabels are what sets the pods of one Job apart from all others.
func jobLabels(j *batchv1.Job) map[string]string {
	return map[string]string{
		batchv1.JobNameLabel: j.Name, legacyJobName: j.Name,
		batchv1.ControllerUidLabel: string(j.UID), legacyControllerUID: string(j.UID),
	}
}

func setDefaultLabel(labels *map[string]string, key, value string) {
	if *labels == nil {
		*labels = map[string]string{}
	}
	if _, ok := (*labels)[key]; !ok {
		(*labels)[key] = value
	}
}

// warnJob warns whoever writes a Job by hand; one that a CronJob makes was warned of there.
func warnJob(j, old *batchv1.Job) []string {
	switch {
	case metav1.GetControllerOfNoCopy(j) != nil:
		return nil
	case old == nil:
		return append(podspec.WarnName(j.Name), warnJobSpec(field.NewPath("spec"), &j.Spec)...)
	case j.Generation == old.Generation:
		return nil
	}
	return warnJobSpec(field.NewPath("spec"), &j.Spec)
}

// Above these, a list of failed indexes may become too long for the status.
const (
	manyCompletions = 100_000
	manyInParallel  = 10_000
)

func warnJobSpec(path *field.Path, spec *batchv1.JobSpec) []string {
	var warnings []string
	if isIndexed(spec) && ptr.Deref(spec.Completions, 0) > manyCompletions &&
		ptr.Deref(spec.Parallelism, 0) > manyInParallel {
		warnings = append(warnings, path.String()+": In Indexed Jobs with a number of completions higher than 10^5 and a "+
			"parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of "+
			"indexes fail")
	}
	return append(warnings, podspec.WarnTemplateAt(path.Child("template"), &spec.Template)...)
}

func isIndexed(spec *batchv1.JobSpec) bool {
	return ptr.Deref(spec.CompletionMode, "") == batchv1.IndexedCompletion
}
