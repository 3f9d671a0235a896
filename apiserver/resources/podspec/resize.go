package podspec

import (
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateResize holds a resize to cpu and memory of containers and sidecars (pkg/apis/core/validation:
// ValidatePodResize). Whether the pod's node has room for it is the kubelet's to say, in the pod's status.
func ValidateResize(pod, old *corev1.Pod) field.ErrorList {
	path := field.NewPath("spec")
	if old.Spec.OS != nil && old.Spec.OS.Name == corev1.Windows {
		return field.ErrorList{field.Forbidden(nil, "windows pods cannot be resized")}
	}
	errs := validateSpec(path, &pod.Spec, pod.Name)
	was := old.Status.QOSClass
	if was == "" {
		was = QoSClass(&old.Spec)
	}
	if is := QoSClass(&pod.Spec); is != was {
		errs = append(errs, field.Invalid(path, is, "Pod QOS Class may not change as a result of resizing"))
	}
	if !reportsResources(old) {
		errs = append(errs, field.Forbidden(path, "Pod running on node without support for resize"))
	}
	if moved := sameContainers(path, &pod.Spec, &old.Spec); len(moved) > 0 {
		return append(errs, moved...)
	}

	// Cpu and memory are set back to what they were; what then still differs may not.
	rest := pod.Spec.DeepCopy()
	for i := range rest.InitContainers {
		c, before := &rest.InitContainers[i], &old.Spec.InitContainers[i]
		at := path.Child("initContainers").Index(i)
		if !IsSidecar(before) {
			if !apiequality.Semantic.DeepEqual(c.Resources, before.Resources) {
				errs = append(errs, field.Forbidden(at.Child("resources"),
					"resources for non-sidecar init containers are immutable"))
			}
			c.Resources = before.Resources
			continue
		}
		errs = append(errs, validateNotRemoved(at.Child("resources"), &c.Resources, &before.Resources)...)
		keepCPUMemory(&c.Resources, &before.Resources)
	}
	for i := range rest.Containers {
		c, before := &rest.Containers[i], &old.Spec.Containers[i]
		at := path.Child("containers").Index(i).Child("resources")
		errs = append(errs, validateNotRemoved(at, &c.Resources, &before.Resources)...)
		keepCPUMemory(&c.Resources, &before.Resources)
	}
	if !apiequality.Semantic.DeepEqual(rest, &old.Spec) {
		errs = append(errs, field.Forbidden(path, "only cpu and memory resources are mutable"))
	}
	return errs
}

// reportsResources says that the pod's node can resize it: then it tells what a running container has.
func reportsResources(pod *corev1.Pod) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Running != nil {
			return c.Resources != nil
		}
	}
	return true
}

func sameContainers(path *field.Path, is, was *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	for _, c := range []struct {
		name    string
		is, was []corev1.Container
	}{{"containers", is.Containers, was.Containers}, {"initContainers", is.InitContainers, was.InitContainers}} {
		if len(c.is) != len(c.was) {
			errs = append(errs, field.Forbidden(path.Child(c.name), c.name+" may not be added or removed on resize"))
			continue
		}
		for i := range c.is {
			if c.is[i].Name != c.was[i].Name {
				errs = append(errs, field.Forbidden(path.Child(c.name).Index(i).Child("name"),
					c.name+" may not be renamed or reordered on resize"))
			}
		}
	}
	return errs
}

func validateNotRemoved(path *field.Path, is, was *corev1.ResourceRequirements) field.ErrorList {
	var errs field.ErrorList
	if removed(is.Requests, was.Requests) {
		errs = append(errs, field.Forbidden(path.Child("requests"), "resource requests cannot be removed"))
	}
	if removed(is.Limits, was.Limits) {
		errs = append(errs, field.Forbidden(path.Child("limits"), "resource limits cannot be removed"))
	}
	return errs
}

func removed(is, was corev1.ResourceList) bool {
	for name := range was {
		if _, ok := is[name]; !ok {
			return true
		}
	}
	return false
}

// keepCPUMemory sets cpu and memory to what they were.
func keepCPUMemory(is, was *corev1.ResourceRequirements) {
	is.Requests, is.Limits = kept(is.Requests, was.Requests), kept(is.Limits, was.Limits)
}

func kept(is, was corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, quantity := range is {
		out[name] = quantity
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		delete(out, name)
		if quantity, ok := was[name]; ok {
			out[name] = quantity
		}
	}
	return out
}
