package podspec

import (
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// updatableFields is the end of the sentence that everyone who has edited a pod knows.
const updatableFields = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`," +
	"`spec.tolerations` (only additions to existing tolerations)," +
	"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"

// validateUpdate lets a pod change no more than its node can follow: images, a shorter deadline, more tolerations,
// fewer scheduling gates. Everything else is a new pod.
func validateUpdate(path *field.Path, spec, old *corev1.PodSpec) field.ErrorList {
	for _, c := range []struct {
		name     string
		now, old []corev1.Container
	}{{"containers", spec.Containers, old.Containers}, {"initContainers", spec.InitContainers, old.InitContainers}} {
		if len(c.now) != len(c.old) {
			return field.ErrorList{field.Forbidden(path.Child(c.name), "pod updates may not add or remove containers")}
		}
	}
	errs := validateDeadlineUpdate(path.Child("activeDeadlineSeconds"), spec, old)
	if len(errs) > 0 && spec.ActiveDeadlineSeconds != nil {
		return errs // as upstream, which goes on where the deadline is gone
	}
	errs = append(errs, validateTolerationUpdate(path.Child("tolerations"), spec.Tolerations, old.Tolerations)...)
	errs = append(errs, validateGateUpdate(path.Child("schedulingGates"), spec.SchedulingGates, old.SchedulingGates)...)

	// What may change is set back to what it was; what then still differs may not.
	rest := spec.DeepCopy()
	for i := range rest.Containers {
		rest.Containers[i].Image = old.Containers[i].Image
	}
	for i := range rest.InitContainers {
		rest.InitContainers[i].Image = old.InitContainers[i].Image
	}
	rest.ActiveDeadlineSeconds = old.ActiveDeadlineSeconds
	rest.Tolerations = old.Tolerations
	rest.SchedulingGates = old.SchedulingGates
	if was, is := old.TerminationGracePeriodSeconds, rest.TerminationGracePeriodSeconds; was != nil && *was < 0 &&
		is != nil && *is == 1 {
		rest.TerminationGracePeriodSeconds = was
	}
	if len(old.SchedulingGates) > 0 {
		errs = append(errs, validateGated(path, rest, old)...)
	}
	if !apiequality.Semantic.DeepEqual(rest, old) {
		errs = append(errs, field.Forbidden(path, fmt.Sprintf("pod updates may not change fields other than %s\n%s",
			updatableFields, diff.Diff(old, rest))))
	}
	return errs
}

// validateDeadlineUpdate lets a deadline be set, or come nearer.
func validateDeadlineUpdate(path *field.Path, spec, old *corev1.PodSpec) field.ErrorList {
	is, was := spec.ActiveDeadlineSeconds, old.ActiveDeadlineSeconds
	switch {
	case is == nil && was == nil:
		return nil
	case is == nil:
		return field.ErrorList{field.Invalid(path, is, "must not update from a positive integer to nil value")}
	case *is < 0 || *is > math.MaxInt32:
		return field.ErrorList{field.Invalid(path, *is, utilvalidation.InclusiveRangeError(0, math.MaxInt32))}
	case was != nil && *was < *is:
		return field.ErrorList{field.Invalid(path, *is, "must be less than or equal to previous value")}
	}
	return nil
}

// validateTolerationUpdate keeps each toleration there was, but for how long it tolerates.
func validateTolerationUpdate(path *field.Path, is, was []corev1.Toleration) field.ErrorList {
	kept := map[corev1.Toleration]bool{}
	for _, t := range is {
		t.TolerationSeconds = nil
		kept[t] = true
	}
	for _, old := range was {
		old.TolerationSeconds = nil
		if !kept[old] {
			return field.ErrorList{field.Forbidden(path,
				"existing toleration can not be modified except its tolerationSeconds")}
		}
	}
	return nil
}

func validateGateUpdate(path *field.Path, is, was []corev1.PodSchedulingGate) field.ErrorList {
	var errs field.ErrorList
	for i, gate := range is {
		same := func(g corev1.PodSchedulingGate) bool { return g == gate }
		if !slices.ContainsFunc(was, same) && !slices.ContainsFunc(is[i+1:], same) { // one that comes twice is named where it stands last
			errs = append(errs, field.Forbidden(path.Index(i).Child("name"),
				fmt.Sprintf("only deletion is allowed, but found new scheduling gate '%s'", gate.Name)))
		}
	}
	return errs
}

// validateGated lets a pod that no node was looked for yet be narrowed down to fewer nodes. What may change is set back in rest.
func validateGated(path *field.Path, rest, old *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	for key, value := range old.NodeSelector {
		if now, ok := rest.NodeSelector[key]; !ok || now != value {
			errs = append(errs, field.Invalid(path.Child("nodeSelector"), rest.NodeSelector,
				"only additions to spec.nodeSelector are allowed (no mutations or deletions)"))
			break
		}
	}
	rest.NodeSelector = old.NodeSelector
	var is, was *corev1.NodeAffinity
	if rest.Affinity != nil {
		is = rest.Affinity.NodeAffinity
	}
	if old.Affinity != nil {
		was = old.Affinity.NodeAffinity
	}
	if apiequality.Semantic.DeepEqual(is, was) {
		return errs
	}
	errs = append(errs, validateNarrowed(path.Child("affinity", "nodeAffinity"), is, was)...)
	switch {
	case rest.Affinity == nil:
		rest.Affinity = &corev1.Affinity{NodeAffinity: was}
	case old.Affinity == nil && rest.Affinity.PodAffinity == nil && rest.Affinity.PodAntiAffinity == nil:
		rest.Affinity = nil
	default:
		rest.Affinity.NodeAffinity = was
	}
	return errs
}

// validateNarrowed lets the terms that a node has to meet ask for more, and none come or go.
func validateNarrowed(path *field.Path, is, was *corev1.NodeAffinity) field.ErrorList {
	if was == nil || was.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	var terms []corev1.NodeSelectorTerm
	if is != nil && is.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		terms = is.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	}
	before := was.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	path = path.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
	if len(before) > 0 && len(before) != len(terms) {
		return field.ErrorList{field.Invalid(path, terms, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")}
	}
	var errs field.ErrorList
	for i := range before {
		if !begins(terms[i].MatchExpressions, before[i].MatchExpressions) || !begins(terms[i].MatchFields, before[i].MatchFields) ||
			len(before[i].MatchExpressions)+len(before[i].MatchFields) == 0 && len(terms[i].MatchExpressions)+len(terms[i].MatchFields) > 0 {
			errs = append(errs, field.Invalid(path.Index(i), terms[i], "only additions are allowed (no mutations or deletions)"))
		}
	}
	return errs
}

// begins reports whether the list has the other one at its beginning.
func begins(list, with []corev1.NodeSelectorRequirement) bool {
	return len(list) >= len(with) && apiequality.Semantic.DeepEqual(list[:len(with)], with)
}
