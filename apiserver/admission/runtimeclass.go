package admission

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// runtimeClass gives a pod what its RuntimeClass says of all pods that run so: their overhead, and which nodes take them.
type runtimeClass struct{ reader Reader }

func (p runtimeClass) mutate(ctx context.Context, r *Request) error {
	class, pod, err := p.of(ctx, r)
	if err != nil || class == nil {
		return err
	}
	if class.Overhead != nil {
		if len(pod.Spec.Overhead) > 0 && !equality.Semantic.DeepEqual(class.Overhead.PodFixed, pod.Spec.Overhead) {
			return rejected(pod, errOtherOverhead)
		}
		pod.Spec.Overhead = class.Overhead.PodFixed.DeepCopy()
	}
	if class.Scheduling == nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(class.Scheduling.NodeSelector)) {
		value := class.Scheduling.NodeSelector[key]
		if own, ok := pod.Spec.NodeSelector[key]; ok && own != value {
			return rejected(pod, fmt.Errorf("conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; pod.spec.nodeSelector[%s] = %s",
				key, value, key, own))
		}
		if pod.Spec.NodeSelector == nil {
			pod.Spec.NodeSelector = map[string]string{}
		}
		pod.Spec.NodeSelector[key] = value
	}
	pod.Spec.Tolerations = mergedTolerations(pod.Spec.Tolerations, class.Scheduling.Tolerations)
	return nil
}

// validate holds what other plugins may have changed against the class once more.
func (p runtimeClass) validate(ctx context.Context, r *Request) error {
	if !r.creates("pods") {
		return nil
	}
	class, pod, err := p.of(ctx, r)
	switch {
	case err != nil:
		return err
	case class != nil && class.Overhead != nil:
		if !equality.Semantic.DeepEqual(class.Overhead.PodFixed, pod.Spec.Overhead) {
			return rejected(pod, errOtherOverhead)
		}
	case pod.Spec.Overhead != nil:
		return rejected(pod, errors.New("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"))
	}
	return nil
}

// of is the class of a pod that is made, and the pod; nil where it names none.
func (p runtimeClass) of(ctx context.Context, r *Request) (*nodev1.RuntimeClass, *corev1.Pod, error) {
	if !r.creates("pods") {
		return nil, nil, nil
	}
	pod := r.Object.(*corev1.Pod)
	if pod.Spec.RuntimeClassName == nil {
		return nil, pod, nil
	}
	name := *pod.Spec.RuntimeClassName
	class, ok := p.reader.Get("node.k8s.io", "runtimeclasses", "", name)
	if !ok {
		if err := p.reader.Fresh(ctx); err != nil {
			return nil, nil, err
		}
		if class, ok = p.reader.Get("node.k8s.io", "runtimeclasses", "", name); !ok {
			return nil, nil, rejected(pod, fmt.Errorf("pod rejected: RuntimeClass %q not found", name))
		}
	}
	return class.(*nodev1.RuntimeClass), pod, nil
}

var errOtherOverhead = errors.New("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")

func rejected(pod *corev1.Pod, why error) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, pod.Name, why)
}

// mergedTolerations are both sets as one, without what another of them covers; of equal ones the first stays.
func mergedTolerations(first, second []corev1.Toleration) []corev1.Toleration {
	all := slices.Concat(first, second)
	var out []corev1.Toleration
	for i := range all {
		redundant := false
		for j := range all {
			equal := equality.Semantic.DeepEqual(all[i], all[j])
			redundant = redundant || equal && j < i || !equal && covers(&all[j], &all[i])
		}
		if !redundant {
			out = append(out, all[i])
		}
	}
	return out
}

// covers reports whether wide tolerates every taint that narrow does, for at least as long.
func covers(wide, narrow *corev1.Toleration) bool {
	always := wide.Operator == corev1.TolerationOpExists
	sameKey := wide.Key == narrow.Key || wide.Key == "" && always
	sameEffect := wide.Effect == narrow.Effect || wide.Effect == ""
	longer := wide.TolerationSeconds == nil ||
		narrow.TolerationSeconds != nil && *narrow.TolerationSeconds <= *wide.TolerationSeconds
	sameValue := always || narrow.Operator == cmp.Or(wide.Operator, corev1.TolerationOpEqual) && narrow.Value == wide.Value
	return sameKey && sameEffect && longer && sameValue
}
