package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/scheduling"
)

// priority turns the name of a priority class into a number.
type priority struct{ reader Reader }

func (p priority) mutate(ctx context.Context, r *Request) error {
	if r.updates("pods") {
		keepPriority(r.Object.(*corev1.Pod), r.Old.(*corev1.Pod))
	}
	if !r.creates("pods") {
		return nil
	}
	pod := r.Object.(*corev1.Pod)
	value, policy, err := p.of(ctx, pod)
	if err != nil {
		return err
	}
	if pod.Spec.Priority != nil && *pod.Spec.Priority != value {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, pod.Name, fmt.Errorf(
			"the integer value of priority (%d) must not be provided in pod spec; priority admission controller computed %d "+
				"from the given PriorityClass name", *pod.Spec.Priority, value))
	}
	pod.Spec.Priority = &value
	if policy == nil {
		policy = ptr.To(corev1.PreemptLowerPriority)
	}
	if pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy != *policy {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, pod.Name, fmt.Errorf(
			"the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority admission controller "+
				"computed %s from the given PriorityClass name", *pod.Spec.PreemptionPolicy, *policy))
	}
	pod.Spec.PreemptionPolicy = policy
	return nil
}

// keepPriority keeps what was decided when the pod was made, where an update, for example from the manifest, says nothing.
func keepPriority(pod, old *corev1.Pod) {
	if pod.Spec.Priority == nil {
		pod.Spec.Priority = old.Spec.Priority
	}
	if pod.Spec.PreemptionPolicy == nil {
		pod.Spec.PreemptionPolicy = old.Spec.PreemptionPolicy
	}
}

func (p priority) of(ctx context.Context, pod *corev1.Pod) (int32, *corev1.PreemptionPolicy, error) {
	name := pod.Spec.PriorityClassName
	if name == "" {
		class := p.defaultClass()
		if class == nil {
			return 0, nil, nil
		}
		pod.Spec.PriorityClassName = class.Name
		return class.Value, class.PreemptionPolicy, nil
	}
	if value, ok := scheduling.SystemPriorities[name]; ok {
		return value, nil, nil
	}
	obj, ok := p.reader.Get("scheduling.k8s.io", "priorityclasses", "", name)
	if !ok {
		if err := p.reader.Fresh(ctx); err != nil {
			return 0, nil, err
		}
		if obj, ok = p.reader.Get("scheduling.k8s.io", "priorityclasses", "", name); !ok {
			return 0, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, pod.Name,
				fmt.Errorf("no PriorityClass with name %v was found", name))
		}
	}
	class := obj.(*schedulingv1.PriorityClass)
	return class.Value, class.PreemptionPolicy, nil
}

// defaultClass is the class marked globalDefault; of several the one with the lowest value, as upstream.
func (p priority) defaultClass() *schedulingv1.PriorityClass {
	var found *schedulingv1.PriorityClass
	p.reader.Each("scheduling.k8s.io", "priorityclasses", func(obj resources.Object) {
		class := obj.(*schedulingv1.PriorityClass)
		if class.GlobalDefault && (found == nil || class.Value < found.Value) {
			found = class
		}
	})
	return found
}
