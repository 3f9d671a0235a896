package scheduling

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	core "k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // puts the pod into legacyscheme
	podstrategy "k8s.io/kubernetes/pkg/registry/core/pod"
)

// stored is the pod as upstream's API server stores it: with defaults, and with the labels' values in selectors that ask for equal
// labels. Nobody may ask a scheduler about a pod that cannot be stored.
func stored(pod *corev1.Pod) *corev1.Pod {
	scheme, ctx := legacyscheme.Scheme, context.Background()
	scheme.Default(pod)
	internal := &core.Pod{}
	must(scheme.Convert(pod, internal, nil))
	name := internal.Spec.NodeName
	podstrategy.Strategy.PrepareForCreate(ctx, internal)
	if errs := podstrategy.Strategy.Validate(ctx, internal); len(errs) > 0 {
		panic(fmt.Sprintf("a pod that cannot be stored: %v", errs.ToAggregate()))
	}
	internal.Spec.NodeName = name
	made := &corev1.Pod{}
	must(scheme.Convert(internal, made, nil))
	return made
}
