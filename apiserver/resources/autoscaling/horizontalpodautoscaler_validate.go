package autoscaling

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/validation"
)

// The checks of HorizontalPodAutoscalers (pkg/apis/autoscaling/validation/validation.go).

func validateAutoscaler(h, old *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
	path, spec := field.NewPath("spec"), &h.Spec
	var errs field.ErrorList
	least, most := ptr.Deref(spec.MinReplicas, 1), spec.MaxReplicas
	errs = append(errs, validation.NotNegative(path.Child("minReplicas"), least)...)
	switch {
	case most == 0:
		errs = append(errs, field.Required(path.Child("maxReplicas"), ""))
	case most < 0:
		errs = append(errs, field.Invalid(path.Child("maxReplicas"), most, "must be greater than or equal to 1"))
	}
	if most < least {
		errs = append(errs, field.Invalid(path.Child("maxReplicas"), most,
			"must be greater than or equal to `minReplicas`"))
	}
	errs = append(errs, validateScaled(path.Child("scaleTargetRef"), spec.ScaleTargetRef, old)...)
	external := false
	for i := range spec.Metrics {
		m := &spec.Metrics[i]
		errs = append(errs, validateMetric(path.Child("metrics").Index(i), m)...)
		external = external || m.Type == autoscalingv2.ObjectMetricSourceType ||
			m.Type == autoscalingv2.ExternalMetricSourceType
	}
	if least == 0 && !external {
		errs = append(errs, field.Forbidden(path.Child("metrics"),
			"must specify at least one Object or External metric to support scaling to zero replicas"))
	}
	if b := spec.Behavior; b != nil {
		errs = append(errs, validateScalingRules(path.Child("behavior", "scaleUp"), b.ScaleUp)...)
		errs = append(errs, validateScalingRules(path.Child("behavior", "scaleDown"), b.ScaleDown)...)
	}
	return errs
}

func validateAutoscalerStatus(h, _ *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
	path := field.NewPath("status")
	var errs field.ErrorList
	for i, c := range h.Status.Conditions {
		errs = append(errs, validation.NotNegative(path.Child("conditions").Index(i).Child("observedGeneration"), ptr.Deref(c.ObservedGeneration, 0))...)
	}
	errs = append(errs, validation.NotNegative(path.Child("currentReplicas"), h.Status.CurrentReplicas)...)
	return append(errs, validation.NotNegative(path.Child("desiredReplicas"), h.Status.DesiredReplicas)...)
}

// validateScaled checks what is scaled. Everything that can be is in a named group, but for ReplicationControllers. An
// update that does not change the kind is not checked for it again.
func validateScaled(path *field.Path, ref autoscalingv2.CrossVersionObjectReference,
	old *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
	errs := validateReference(path, ref)
	if old != nil && old.Spec.ScaleTargetRef.APIVersion == ref.APIVersion && old.Spec.ScaleTargetRef.Kind == ref.Kind {
		return errs
	}
	return append(errs, validateRefVersion(path.Child("apiVersion"), ref.APIVersion,
		ref.Kind == "ReplicationController")...)
}

func validateReference(path *field.Path, ref autoscalingv2.CrossVersionObjectReference) field.ErrorList {
	errs := validation.RequiredPathSegment(path.Child("kind"), ref.Kind, "")
	return append(errs, validation.RequiredPathSegment(path.Child("name"), ref.Name, "")...)
}

func validateRefVersion(path *field.Path, version string, core bool) field.ErrorList {
	gv, err := schema.ParseGroupVersion(version)
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(path, version, err.Error())}
	case gv.Group == "" && !core:
		return field.ErrorList{field.Invalid(path, version, "apiVersion must specify API group")}
	}
	return nil
}

// For how long a rule may look back, in seconds.
const (
	maxStabilization = 3600
	maxPolicyPeriod  = 1800
)

func validateScalingRules(path *field.Path, r *autoscalingv2.HPAScalingRules) field.ErrorList {
	if r == nil {
		return nil
	}
	var errs field.ErrorList
	if window := r.StabilizationWindowSeconds; window != nil {
		at := path.Child("stabilizationWindowSeconds")
		if *window < 0 {
			errs = append(errs, field.Invalid(at, *window, "must be greater than or equal to zero"))
		}
		if *window > maxStabilization {
			errs = append(errs, field.Invalid(at, *window,
				fmt.Sprintf("must be less than or equal to %d", maxStabilization)))
		}
	}
	if s := r.SelectPolicy; s != nil {
		switch *s {
		case autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect:
		default:
			errs = append(errs, field.NotSupported(path.Child("selectPolicy"), *s, []autoscalingv2.ScalingPolicySelect{
				autoscalingv2.DisabledPolicySelect, autoscalingv2.MaxChangePolicySelect,
				autoscalingv2.MinChangePolicySelect}))
		}
	}
	policies := path.Child("policies")
	if len(r.Policies) == 0 {
		errs = append(errs, field.Required(policies, "must specify at least one Policy"))
	}
	for i, p := range r.Policies {
		errs = append(errs, validateScalingPolicy(policies.Index(i), p)...)
	}
	if r.Tolerance != nil && r.Tolerance.Sign() < 0 {
		errs = append(errs, field.Invalid(path.Child("tolerance"), r.Tolerance.String(),
			"must be greater than or equal to 0"))
	}
	return errs
}

func validateScalingPolicy(path *field.Path, p autoscalingv2.HPAScalingPolicy) field.ErrorList {
	var errs field.ErrorList
	if p.Type != autoscalingv2.PodsScalingPolicy && p.Type != autoscalingv2.PercentScalingPolicy {
		errs = append(errs, field.NotSupported(path.Child("type"), p.Type, []autoscalingv2.HPAScalingPolicyType{
			autoscalingv2.PercentScalingPolicy, autoscalingv2.PodsScalingPolicy}))
	}
	if p.Value <= 0 {
		errs = append(errs, field.Invalid(path.Child("value"), p.Value, "must be greater than zero"))
	}
	if p.PeriodSeconds <= 0 {
		errs = append(errs, field.Invalid(path.Child("periodSeconds"), p.PeriodSeconds, "must be greater than zero"))
	}
	if p.PeriodSeconds > maxPolicyPeriod {
		errs = append(errs, field.Invalid(path.Child("periodSeconds"), p.PeriodSeconds,
			fmt.Sprintf("must be less than or equal to %d", maxPolicyPeriod)))
	}
	return errs
}
