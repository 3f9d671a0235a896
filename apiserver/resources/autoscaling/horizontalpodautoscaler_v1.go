package autoscaling

import (
	"encoding/json"
	"maps"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
)

// autoscaling/v1 has one field for the wanted use of CPU, and one for the use. What else there is goes into
// annotations, as JSON, so that a client which reads version 1 and writes back what it read loses nothing.
const (
	carriedMetrics    = "autoscaling.alpha.kubernetes.io/metrics"
	carriedMeasured   = "autoscaling.alpha.kubernetes.io/current-metrics"
	carriedConditions = "autoscaling.alpha.kubernetes.io/conditions"
	carriedBehavior   = "autoscaling.alpha.kubernetes.io/behavior"
)

var carried = []string{carriedMetrics, carriedMeasured, carriedConditions, carriedBehavior}

// dropCarried takes the annotations off an object that has fields for what they say.
func dropCarried(obj resources.Object) {
	annotations := obj.GetAnnotations()
	for _, key := range carried {
		delete(annotations, key)
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	obj.SetAnnotations(annotations)
}

// carry writes value into an annotation.
func carry(obj resources.Object, key string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		return // what came as JSON or protobuf can be written as JSON
	}
	annotations := maps.Clone(obj.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = string(text)
	obj.SetAnnotations(annotations)
}

// carriedValue reads an annotation. One that cannot be read is taken for one that is not there, as upstream does.
func carriedValue[T any](obj resources.Object, key string) (value T, ok bool) {
	text, ok := obj.GetAnnotations()[key]
	if !ok || json.Unmarshal([]byte(text), &value) != nil {
		var nothing T
		return nothing, false
	}
	return value, true
}

func toAutoscalerV1(h *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv1.HorizontalPodAutoscaler {
	h = h.DeepCopy()
	out := &autoscalingv1.HorizontalPodAutoscaler{
		ObjectMeta: h.ObjectMeta,
		Spec: autoscalingv1.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv1.CrossVersionObjectReference(h.Spec.ScaleTargetRef),
			MinReplicas:    h.Spec.MinReplicas,
			MaxReplicas:    h.Spec.MaxReplicas,
		},
		Status: autoscalingv1.HorizontalPodAutoscalerStatus{
			ObservedGeneration: h.Status.ObservedGeneration,
			LastScaleTime:      h.Status.LastScaleTime,
			CurrentReplicas:    h.Status.CurrentReplicas,
			DesiredReplicas:    h.Status.DesiredReplicas,
		},
	}
	out.SetGroupVersionKind(autoscalingv1.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"))
	dropCarried(out)

	var others []autoscalingv1.MetricSpec
	for i := range h.Spec.Metrics {
		m := &h.Spec.Metrics[i]
		if m.Type != autoscalingv2.ResourceMetricSourceType || !isCPUShare(m.Resource) {
			others = append(others, metricToV1(m))
		} else if out.Spec.TargetCPUUtilizationPercentage == nil {
			out.Spec.TargetCPUUtilizationPercentage = m.Resource.Target.AverageUtilization
		}
	}
	if len(others) > 0 {
		carry(out, carriedMetrics, others)
	}
	// The use of CPU is carried too, because it is an amount besides a share.
	var measured []autoscalingv1.MetricStatus
	for i := range h.Status.CurrentMetrics {
		s := &h.Status.CurrentMetrics[i]
		measured = append(measured, measuredToV1(s))
		if s.Resource != nil && s.Resource.Name == corev1.ResourceCPU && s.Resource.Current.AverageUtilization != nil {
			out.Status.CurrentCPUUtilizationPercentage = s.Resource.Current.AverageUtilization
		}
	}
	if len(measured) > 0 {
		carry(out, carriedMeasured, measured)
	}
	var conditions []autoscalingv1.HorizontalPodAutoscalerCondition
	for _, c := range h.Status.Conditions {
		conditions = append(conditions, autoscalingv1.HorizontalPodAutoscalerCondition{
			Type: autoscalingv1.HorizontalPodAutoscalerConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
			ObservedGeneration: c.ObservedGeneration,
		})
	}
	if len(conditions) > 0 {
		carry(out, carriedConditions, conditions)
	}
	if b := h.Spec.Behavior; b != nil {
		carry(out, carriedBehavior, plainBehavior{plainRulesOf(b.ScaleUp), plainRulesOf(b.ScaleDown)})
	}
	return out
}

func isCPUShare(r *autoscalingv2.ResourceMetricSource) bool {
	return r != nil && r.Name == corev1.ResourceCPU && r.Target.AverageUtilization != nil
}

// plainBehavior is the behavior under the names that upstream's annotation has: those of Go fields. A reader of JSON
// minds no case, so what comes back is read as autoscaling/v2.
type (
	plainBehavior struct{ ScaleUp, ScaleDown *plainRules }
	plainRules    struct {
		StabilizationWindowSeconds *int32
		SelectPolicy               *autoscalingv2.ScalingPolicySelect
		Policies                   []plainPolicy
		Tolerance                  *resource.Quantity
	}
	plainPolicy struct {
		Type          autoscalingv2.HPAScalingPolicyType
		Value         int32
		PeriodSeconds int32
	}
)

func plainRulesOf(r *autoscalingv2.HPAScalingRules) *plainRules {
	if r == nil {
		return nil
	}
	out := &plainRules{
		StabilizationWindowSeconds: r.StabilizationWindowSeconds, SelectPolicy: r.SelectPolicy, Tolerance: r.Tolerance,
	}
	for _, p := range r.Policies {
		out.Policies = append(out.Policies, plainPolicy(p))
	}
	return out
}

func fromAutoscalerV1(h *autoscalingv1.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	h = h.DeepCopy()
	out := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: h.ObjectMeta,
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference(h.Spec.ScaleTargetRef),
			MinReplicas:    h.Spec.MinReplicas,
			MaxReplicas:    h.Spec.MaxReplicas,
		},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{
			ObservedGeneration: h.Status.ObservedGeneration,
			LastScaleTime:      h.Status.LastScaleTime,
			CurrentReplicas:    h.Status.CurrentReplicas,
			DesiredReplicas:    h.Status.DesiredReplicas,
		},
	}
	out.SetGroupVersionKind(autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"))
	others, _ := carriedValue[[]autoscalingv1.MetricSpec](h, carriedMetrics)
	for i := range others {
		out.Spec.Metrics = append(out.Spec.Metrics, metricFromV1(&others[i]))
	}
	if cpu := h.Spec.TargetCPUUtilizationPercentage; cpu != nil {
		out.Spec.Metrics = append(out.Spec.Metrics, cpuUtilization(*cpu))
	}
	if b, ok := carriedValue[autoscalingv2.HorizontalPodAutoscalerBehavior](h, carriedBehavior); ok {
		if b != (autoscalingv2.HorizontalPodAutoscalerBehavior{}) {
			out.Spec.Behavior = &b
		}
	}
	if measured, ok := carriedValue[[]autoscalingv1.MetricStatus](h, carriedMeasured); ok {
		for i := range measured {
			out.Status.CurrentMetrics = append(out.Status.CurrentMetrics, measuredFromV1(&measured[i]))
		}
	} else if cpu := h.Status.CurrentCPUUtilizationPercentage; cpu != nil {
		out.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricStatus{
				Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: cpu},
			},
		}}
	}
	conditions, _ := carriedValue[[]autoscalingv1.HorizontalPodAutoscalerCondition](h, carriedConditions)
	for _, c := range conditions {
		out.Status.Conditions = append(out.Status.Conditions, autoscalingv2.HorizontalPodAutoscalerCondition{
			Type: autoscalingv2.HorizontalPodAutoscalerConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
			ObservedGeneration: c.ObservedGeneration,
		})
	}
	dropCarried(out)
	return out
}

// orZeroQuantity is for fields of version 1 that cannot be left out.
func orZeroQuantity(q *resource.Quantity) resource.Quantity { return ptr.Deref(q, resource.Quantity{}) }

// unlessZero is the way back from such a field.
func unlessZero(q resource.Quantity) *resource.Quantity {
	if q.IsZero() {
		return nil
	}
	return &q
}
