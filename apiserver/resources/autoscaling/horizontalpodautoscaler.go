package autoscaling

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

// horizontalPodAutoscalers is the row of what sets a number of replicas by what is measured. It is stored as
// autoscaling/v2; autoscaling/v1 knows of nothing but the use of CPU, and carries the rest along in annotations
// (horizontalpodautoscaler_v1.go).
func horizontalPodAutoscalers() *resources.Resource {
	return &resources.Resource{
		Kind:       autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"),
		Plural:     "horizontalpodautoscalers",
		NameOnce:   true,
		ShortNames: []string{"hpa"},
		Categories: []string{"all"},
		New:        func() resources.Object { return &autoscalingv2.HorizontalPodAutoscaler{} },
		NewList:    func() runtime.Object { return &autoscalingv2.HorizontalPodAutoscalerList{} },
		Served: []resources.Served{{
			Kind:    autoscalingv1.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"),
			New:     func() resources.Object { return &autoscalingv1.HorizontalPodAutoscaler{} },
			NewList: func() runtime.Object { return &autoscalingv1.HorizontalPodAutoscalerList{} },
			From: func(stored resources.Object) resources.Object {
				return toAutoscalerV1(stored.(*autoscalingv2.HorizontalPodAutoscaler))
			},
			To: func(served resources.Object) resources.Object {
				return fromAutoscalerV1(served.(*autoscalingv1.HorizontalPodAutoscaler))
			},
		}},
		Generation: true,
		Idle:       "no controller measures anything and scales by it",
		Subresources: []resources.Subresource{
			resources.Status(func(h, body *autoscalingv2.HorizontalPodAutoscaler) { h.Status = body.Status },
				validateAutoscalerStatus),
		},
		Default:  resources.Each(defaultAutoscaler),
		Validate: resources.Check(validateAutoscaler),
		Columns:  autoscalerColumns(),
		Cells:    resources.Cells(autoscalerCells),
	}
}

// defaultAutoscaler measures the use of CPU where nothing else is asked for, and keeps it at 80 % of what the pods
// request. Whoever says anything of the behavior gets upstream's for the rest of it.
func defaultAutoscaler(h *autoscalingv2.HorizontalPodAutoscaler) {
	dropCarried(h) // of use in autoscaling/v1 alone
	spec := &h.Spec
	if spec.MinReplicas == nil {
		spec.MinReplicas = ptr.To(int32(1))
	}
	if len(spec.Metrics) == 0 {
		spec.Metrics = []autoscalingv2.MetricSpec{cpuUtilization(80)}
	}
	if spec.Behavior == nil {
		return
	}
	spec.Behavior.ScaleUp = withDefaults(spec.Behavior.ScaleUp, autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: ptr.To(int32(0)),
		Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15},
			{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
		},
	})
	// How long to wait before scaling down is left to the controller's own setting.
	spec.Behavior.ScaleDown = withDefaults(spec.Behavior.ScaleDown, autoscalingv2.HPAScalingRules{
		Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
		},
	})
}

func cpuUtilization(percent int32) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{
			Name:   corev1.ResourceCPU,
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
		},
	}
}

// withDefaults are the rules that are given, and the defaults of those that are not.
func withDefaults(given *autoscalingv2.HPAScalingRules,
	rules autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
	rules.SelectPolicy = ptr.To(autoscalingv2.MaxChangePolicySelect)
	if given == nil {
		return &rules
	}
	if given.SelectPolicy != nil {
		rules.SelectPolicy = given.SelectPolicy
	}
	if given.StabilizationWindowSeconds != nil {
		rules.StabilizationWindowSeconds = given.StabilizationWindowSeconds
	}
	if given.Policies != nil {
		rules.Policies = given.Policies
	}
	rules.Tolerance = given.Tolerance
	return &rules
}

func autoscalerColumns() []metav1.TableColumnDefinition {
	spec := autoscalingv2.HorizontalPodAutoscalerSpec{}.SwaggerDoc()
	status := autoscalingv2.HorizontalPodAutoscalerStatus{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Reference", "string", 0, spec["scaleTargetRef"]),
		printers.Column("Targets", "string", 0, spec["metrics"]),
		printers.Column("MinPods", "string", 0, spec["minReplicas"]),
		printers.Column("MaxPods", "string", 0, spec["maxReplicas"]),
		printers.Column("Replicas", "string", 0, status["currentReplicas"]),
		printers.AgeColumn(),
	}
}

func autoscalerCells(h *autoscalingv2.HorizontalPodAutoscaler, now time.Time) []any {
	least := ""
	if h.Spec.MinReplicas != nil {
		least = strconv.Itoa(int(*h.Spec.MinReplicas))
	}
	return []any{
		h.Name, h.Spec.ScaleTargetRef.Kind + "/" + h.Spec.ScaleTargetRef.Name, autoscalerTargets(h), printers.OrUnset(least),
		int64(h.Spec.MaxReplicas), int64(h.Status.CurrentReplicas), printers.Age(h.CreationTimestamp, now),
	}
}

// autoscalerTargets shows the first two metrics as what is measured over what is wanted: "cpu: 35%/80%". The metrics of
// the status are in the order of those of the spec.
func autoscalerTargets(h *autoscalingv2.HorizontalPodAutoscaler) string {
	const shown = 2
	var list []string
	for i := range h.Spec.Metrics {
		var measured autoscalingv2.MetricStatus
		if i < len(h.Status.CurrentMetrics) {
			measured = h.Status.CurrentMetrics[i]
		}
		list = append(list, metricCell(&h.Spec.Metrics[i], &measured))
	}
	if len(list) > shown {
		return fmt.Sprintf("%s + %d more...", strings.Join(list[:shown], ", "), len(list)-shown)
	}
	return printers.OrNone(strings.Join(list, ", "))
}

func metricCell(m *autoscalingv2.MetricSpec, s *autoscalingv2.MetricStatus) string {
	target, current, name := autoscalingv2.MetricTarget{}, autoscalingv2.MetricValueStatus{}, ""
	switch m.Type {
	case autoscalingv2.ObjectMetricSourceType:
		target, current = ptr.Deref(m.Object, autoscalingv2.ObjectMetricSource{}).Target,
			ptr.Deref(s.Object, autoscalingv2.ObjectMetricStatus{}).Current
	case autoscalingv2.ExternalMetricSourceType:
		target, current = ptr.Deref(m.External, autoscalingv2.ExternalMetricSource{}).Target,
			ptr.Deref(s.External, autoscalingv2.ExternalMetricStatus{}).Current
	case autoscalingv2.PodsMetricSourceType:
		target, current = ptr.Deref(m.Pods, autoscalingv2.PodsMetricSource{}).Target,
			ptr.Deref(s.Pods, autoscalingv2.PodsMetricStatus{}).Current
		return amount(current.AverageValue) + "/" + target.AverageValue.String()
	case autoscalingv2.ResourceMetricSourceType:
		source := ptr.Deref(m.Resource, autoscalingv2.ResourceMetricSource{})
		target, name = source.Target, string(source.Name)
		current = ptr.Deref(s.Resource, autoscalingv2.ResourceMetricStatus{}).Current
		return name + ": " + resourceCell(target, current)
	case autoscalingv2.ContainerResourceMetricSourceType:
		source := ptr.Deref(m.ContainerResource, autoscalingv2.ContainerResourceMetricSource{})
		target, name = source.Target, string(source.Name)
		current = ptr.Deref(s.ContainerResource, autoscalingv2.ContainerResourceMetricStatus{}).Current
		return name + ": " + resourceCell(target, current)
	default:
		return "<unknown type>"
	}
	if target.AverageValue != nil {
		return amount(current.AverageValue) + "/" + target.AverageValue.String() + " (avg)"
	}
	return amount(current.Value) + "/" + target.Value.String()
}

// resourceCell shows what pods use: as an amount for each, or as a share of what they request.
func resourceCell(target autoscalingv2.MetricTarget, current autoscalingv2.MetricValueStatus) string {
	if target.AverageValue != nil {
		return amount(current.AverageValue) + "/" + target.AverageValue.String()
	}
	return share(current.AverageUtilization, printers.Unknown) + "/" + share(target.AverageUtilization, "<auto>")
}

func amount(q *resource.Quantity) string {
	if q == nil {
		return printers.Unknown
	}
	return q.String()
}

func share(percent *int32, otherwise string) string {
	if percent == nil {
		return otherwise
	}
	return strconv.Itoa(int(*percent)) + "%"
}
