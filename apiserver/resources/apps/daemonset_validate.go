package apps

import (
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
)

// The checks of DaemonSets (pkg/apis/apps/validation/validation.go).

// validateDaemonSet does not ask for a selector, as upstream does not: without one no template matches.
func validateDaemonSet(ds, old *appsv1.DaemonSet) field.ErrorList {
	path, spec := field.NewPath("spec"), &ds.Spec
	var errs field.ErrorList
	if _, err := templateGeneration(ds); err != nil {
		errs = append(errs, field.Invalid(
			field.NewPath("metadata", "annotations").Key(appsv1.DeprecatedTemplateGeneration),
			ds.Annotations[appsv1.DeprecatedTemplateGeneration], "must be an integer"))
	}
	errs = append(errs, validation.LabelSelector(path.Child("selector"), spec.Selector)...)
	if spec.Selector != nil && len(spec.Selector.MatchLabels)+len(spec.Selector.MatchExpressions) == 0 {
		errs = append(errs, field.Invalid(path.Child("selector"), spec.Selector, "empty selector is invalid for daemonset"))
	}
	selector, err := metav1.LabelSelectorAsSelector(spec.Selector)
	if err != nil {
		selector = labels.Everything() // it is refused above
	}
	errs = append(errs, podspec.ValidateReplicaTemplate(path.Child("template"), &spec.Template, selector, "DaemonSet")...)
	errs = append(errs, validation.NotNegative(path.Child("minReadySeconds"), spec.MinReadySeconds)...)
	errs = append(errs, validateDaemonSetStrategy(path.Child("updateStrategy"), &spec.UpdateStrategy)...)
	errs = append(errs, validation.NotNegative(path.Child("revisionHistoryLimit"), ptr.Deref(spec.RevisionHistoryLimit, 0))...)
	if old != nil {
		errs = append(errs, validation.Immutable(path.Child("selector"), spec.Selector, old.Spec.Selector)...)
	}
	return errs
}

// validateDaemonSetStrategy lets a rolling update either stop the old pod of a node before it starts the new one, or
// start the new one before it stops the old one.
func validateDaemonSetStrategy(path *field.Path, s *appsv1.DaemonSetUpdateStrategy) field.ErrorList {
	rolling := path.Child("rollingUpdate")
	switch {
	case s.Type == appsv1.OnDeleteDaemonSetStrategyType:
		return nil
	case s.Type != appsv1.RollingUpdateDaemonSetStrategyType:
		return field.ErrorList{field.NotSupported(path, *s, []appsv1.DaemonSetUpdateStrategyType{
			appsv1.RollingUpdateDaemonSetStrategyType, appsv1.OnDeleteDaemonSetStrategyType})}
	case s.RollingUpdate == nil:
		return field.ErrorList{field.Required(rolling, "")}
	}
	unavailable, surge := s.RollingUpdate.MaxUnavailable, s.RollingUpdate.MaxSurge
	errs := validation.IntOrPercent(rolling.Child("maxUnavailable"), unavailable)
	errs = append(errs, validation.IntOrPercent(rolling.Child("maxSurge"), surge)...)
	errs = append(errs, validation.AtMostAll(rolling.Child("maxUnavailable"), unavailable)...)
	errs = append(errs, validation.AtMostAll(rolling.Child("maxSurge"), surge)...)
	switch {
	case !validation.IsZero(unavailable) && !validation.IsZero(surge):
		errs = append(errs, field.Invalid(rolling.Child("maxSurge"), *surge,
			"may not be set when maxUnavailable is non-zero"))
	case validation.IsZero(unavailable) && validation.IsZero(surge):
		errs = append(errs, field.Required(rolling.Child("maxUnavailable"), "cannot be 0 when maxSurge is 0"))
	}
	return errs
}

func validateDaemonSetStatus(ds, old *appsv1.DaemonSet) field.ErrorList {
	path, s := field.NewPath("status"), &ds.Status
	errs := noneNegative(path,
		statusNumber{"currentNumberScheduled", int64(s.CurrentNumberScheduled)},
		statusNumber{"numberMisscheduled", int64(s.NumberMisscheduled)},
		statusNumber{"desiredNumberScheduled", int64(s.DesiredNumberScheduled)},
		statusNumber{"numberReady", int64(s.NumberReady)},
		statusNumber{"observedGeneration", s.ObservedGeneration},
		statusNumber{"updatedNumberScheduled", int64(s.UpdatedNumberScheduled)},
		statusNumber{"numberAvailable", int64(s.NumberAvailable)},
		statusNumber{"numberUnavailable", int64(s.NumberUnavailable)},
	)
	return append(errs, validateCollisions(path.Child("collisionCount"), s.CollisionCount, old.Status.CollisionCount)...)
}
