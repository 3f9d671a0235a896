package core

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
)

// bindings is the row of the Bindings that are posted to a namespace, as schedulers did before pods had the subresource.
func bindings() *resources.Resource {
	return &resources.Resource{
		Kind:      corev1.SchemeGroupVersion.WithKind("Binding"),
		Plural:    "bindings",
		Verbs:     []string{"create"},
		New:       func() resources.Object { return &corev1.Binding{} },
		StandsFor: "pods/binding",
	}
}

// bind gives a pod to a node: the one write by which a scheduler decides. A pod is bound once; of two schedulers that
// try, the second gets a conflict. The Binding's annotations and labels become the pod's, which is how a scheduler
// records what it decided on (upstream: pkg/registry/core/pod/storage, assignPod).
func bind(obj resources.Object, body runtime.Object, now time.Time) (runtime.Object, error) {
	pod, binding := obj.(*corev1.Pod), body.(*corev1.Binding)
	if errs := validateBinding(binding); len(errs) > 0 {
		return nil, apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Binding").GroupKind(), binding.Name, errs)
	}
	conflict := func(format string, args ...any) error {
		return apierrors.NewConflict(corev1.Resource("pods/binding"), pod.Name, fmt.Errorf(format, args...))
	}
	switch {
	case binding.Name != "" && binding.Name != pod.Name:
		return nil, apierrors.NewBadRequest(fmt.Sprintf(
			"the name of the binding (%s) does not match the name on the URL (%s)", binding.Name, pod.Name))
	case binding.UID != "" && binding.UID != pod.UID:
		return nil, conflict("Precondition failed: UID in precondition: %v, UID in object meta: %v", binding.UID, pod.UID)
	case binding.ResourceVersion != "" && binding.ResourceVersion != pod.ResourceVersion:
		return nil, conflict("Precondition failed: ResourceVersion in precondition: %v, ResourceVersion in object meta: %v",
			binding.ResourceVersion, pod.ResourceVersion)
	case pod.DeletionTimestamp != nil:
		return nil, conflict("pod %s is being deleted, cannot be assigned to a host", pod.Name)
	case pod.Spec.NodeName != "":
		return nil, conflict("pod %v is already assigned to node %q", pod.Name, pod.Spec.NodeName)
	case len(pod.Spec.SchedulingGates) > 0:
		return nil, conflict("pod %v has non-empty .spec.schedulingGates", pod.Name)
	}
	pod.Spec.NodeName = binding.Target.Name
	pod.Annotations = merged(pod.Annotations, binding.Annotations)
	pod.Labels = merged(pod.Labels, binding.Labels)
	pod.Status.NominatedNodeName = "" // it has its node: upstream's ClearingNominatedNodeNameAfterBinding
	setScheduled(&pod.Status, now)
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusSuccess, Code: 201,
	}, nil
}

// validateBinding says that a pod can be bound to nothing but a node.
func validateBinding(binding *corev1.Binding) field.ErrorList {
	var errs field.ErrorList
	target := field.NewPath("target")
	if kind := binding.Target.Kind; kind != "" && kind != "Node" {
		errs = append(errs, field.NotSupported(target.Child("kind"), kind, []string{"Node", "<empty>"}))
	}
	if binding.Target.Name == "" {
		errs = append(errs, field.Required(target.Child("name"), ""))
	}
	return errs
}

// merged adds what is new; a key that both have takes the value of add.
func merged(to, add map[string]string) map[string]string {
	if to == nil && len(add) > 0 {
		to = make(map[string]string, len(add))
	}
	for k, v := range add {
		to[k] = v
	}
	return to
}

// setScheduled makes the PodScheduled condition true, and forgets why it was not.
func setScheduled(status *corev1.PodStatus, now time.Time) {
	scheduled := corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(now),
	}
	for i := range status.Conditions {
		if status.Conditions[i].Type == corev1.PodScheduled {
			status.Conditions[i] = scheduled
			return
		}
	}
	status.Conditions = append(status.Conditions, scheduled)
}
