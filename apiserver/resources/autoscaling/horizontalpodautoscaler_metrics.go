package autoscaling

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// metricSource is one of the fields of a metric of which exactly one is given: the one that its type names.
type metricSource struct {
	kind  autoscalingv2.MetricSourceType
	name  string
	given bool
	check func(*field.Path) field.ErrorList
}

func metricSources(m *autoscalingv2.MetricSpec) []metricSource {
	return []metricSource{
		{autoscalingv2.ObjectMetricSourceType, "object", m.Object != nil,
			func(at *field.Path) field.ErrorList { return validateObjectMetric(at, m.Object) }},
		{autoscalingv2.ExternalMetricSourceType, "external", m.External != nil,
			func(at *field.Path) field.ErrorList { return validateExternalMetric(at, m.External) }},
		{autoscalingv2.PodsMetricSourceType, "pods", m.Pods != nil,
			func(at *field.Path) field.ErrorList { return validatePodsMetric(at, m.Pods) }},
		{autoscalingv2.ResourceMetricSourceType, "resource", m.Resource != nil,
			func(at *field.Path) field.ErrorList { return validateResourceMetric(at, m.Resource) }},
		{autoscalingv2.ContainerResourceMetricSourceType, "containerResource", m.ContainerResource != nil,
			func(at *field.Path) field.ErrorList { return validateContainerMetric(at, m.ContainerResource) }},
	}
}

// validateMetric checks the first source that is given, and that it is the one which the type names, and the only one.
func validateMetric(path *field.Path, m *autoscalingv2.MetricSpec) field.ErrorList {
	var errs, others field.ErrorList
	if m.Type == "" {
		errs = append(errs, field.Required(path.Child("type"), "must specify a metric source type"))
	}
	known, given := false, 0
	for _, source := range metricSources(m) {
		at := path.Child(source.name)
		known = known || source.kind == m.Type
		if source.given {
			if given++; given == 1 {
				errs = append(errs, source.check(at)...)
			}
			if source.kind != m.Type {
				others = append(others, field.Forbidden(at, "must populate the given metric source only"))
			}
		} else if source.kind == m.Type {
			errs = append(errs, field.Required(at, "must populate information for the given metric source"))
		}
	}
	if !known {
		errs = append(errs, field.NotSupported(path.Child("type"), m.Type, []autoscalingv2.MetricSourceType{
			autoscalingv2.ContainerResourceMetricSourceType, autoscalingv2.ExternalMetricSourceType,
			autoscalingv2.ObjectMetricSourceType, autoscalingv2.PodsMetricSourceType,
			autoscalingv2.ResourceMetricSourceType}))
	}
	if given > 1 {
		errs = append(errs, others...)
	}
	return errs
}

func validateObjectMetric(path *field.Path, m *autoscalingv2.ObjectMetricSource) field.ErrorList {
	at := path.Child("describedObject")
	errs := validateReference(at, m.DescribedObject)
	errs = append(errs, validateRefVersion(at.Child("apiVersion"), m.DescribedObject.APIVersion, true)...)
	errs = append(errs, validateIdentifier(path.Child("metric"), m.Metric)...)
	errs = append(errs, validateTarget(path.Child("target"), m.Target)...)
	if m.Target.Value == nil && m.Target.AverageValue == nil {
		errs = append(errs, field.Required(path.Child("target", "averageValue"),
			"must set either a target value or averageValue"))
	}
	return errs
}

func validateExternalMetric(path *field.Path, m *autoscalingv2.ExternalMetricSource) field.ErrorList {
	errs := validateIdentifier(path.Child("metric"), m.Metric)
	errs = append(errs, validateTarget(path.Child("target"), m.Target)...)
	switch all, each := m.Target.Value != nil, m.Target.AverageValue != nil; {
	case !all && !each:
		errs = append(errs, field.Required(path.Child("target", "averageValue"),
			"must set either a target value for metric or a per-pod target"))
	case all && each:
		errs = append(errs, field.Forbidden(path.Child("target", "value"),
			"may not set both a target value for metric and a per-pod target"))
	}
	return errs
}

func validatePodsMetric(path *field.Path, m *autoscalingv2.PodsMetricSource) field.ErrorList {
	errs := validateIdentifier(path.Child("metric"), m.Metric)
	errs = append(errs, validateTarget(path.Child("target"), m.Target)...)
	if m.Target.AverageValue == nil {
		errs = append(errs, field.Required(path.Child("target", "averageValue"),
			"must specify a positive target averageValue"))
	}
	return errs
}

func validateResourceMetric(path *field.Path, m *autoscalingv2.ResourceMetricSource) field.ErrorList {
	var errs field.ErrorList
	if m.Name == "" {
		errs = append(errs, field.Required(path.Child("name"), "must specify a resource name"))
	}
	return append(errs, validateUse(path.Child("target"), m.Target)...)
}

func validateContainerMetric(path *field.Path, m *autoscalingv2.ContainerResourceMetricSource) field.ErrorList {
	var errs field.ErrorList
	if m.Name == "" {
		errs = append(errs, field.Required(path.Child("name"), "must specify a resource name"))
	} else {
		errs = append(errs, validation.ContainerResource(path.Child("name"), m.Name)...)
	}
	if m.Container == "" {
		errs = append(errs, field.Required(path.Child("container"), "must specify a container"))
	} else {
		errs = append(errs, validation.DNSLabel(path.Child("container"), m.Container)...)
	}
	return append(errs, validateUse(path.Child("target"), m.Target)...)
}

// validateUse asks for a use as an amount or as a share of what is requested, and not for both.
func validateUse(path *field.Path, t autoscalingv2.MetricTarget) field.ErrorList {
	errs := validateTarget(path, t)
	switch share, raw := t.AverageUtilization != nil, t.AverageValue != nil; {
	case !share && !raw:
		errs = append(errs, field.Required(path.Child("averageUtilization"),
			"must set either a target raw value or a target utilization"))
	case share && raw:
		errs = append(errs, field.Forbidden(path.Child("averageValue"),
			"may not set both a target raw value and a target utilization"))
	}
	return errs
}

func validateTarget(path *field.Path, t autoscalingv2.MetricTarget) field.ErrorList {
	var errs field.ErrorList
	switch t.Type {
	case autoscalingv2.UtilizationMetricType, autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType:
	default:
		if t.Type == "" {
			errs = append(errs, field.Required(path.Child("type"), "must specify a metric target type"))
		}
		errs = append(errs, field.Invalid(path.Child("type"), t.Type,
			"must be either Utilization, Value, or AverageValue"))
	}
	if t.Value != nil && t.Value.Sign() <= 0 {
		errs = append(errs, field.Invalid(path.Child("value"), t.Value, "must be positive"))
	}
	if t.AverageValue != nil && t.AverageValue.Sign() <= 0 {
		errs = append(errs, field.Invalid(path.Child("averageValue"), t.AverageValue, "must be positive"))
	}
	if t.AverageUtilization != nil && *t.AverageUtilization < 1 {
		errs = append(errs, field.Invalid(path.Child("averageUtilization"), *t.AverageUtilization,
			"must be greater than 0"))
	}
	return errs
}

func validateIdentifier(path *field.Path, id autoscalingv2.MetricIdentifier) field.ErrorList {
	return validation.RequiredPathSegment(path.Child("name"), id.Name, "must specify a metric name")
}
