package podspec

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// mirrorPod marks the pods that stand for a node's static pods.
const mirrorPod = "kubernetes.io/config.mirror"

// ValidateEphemeralUpdate lets ephemeral containers be added, and none be changed or removed. Their order is free: a patch
// does not keep it.
func ValidateEphemeralUpdate(pod, old *corev1.Pod) field.ErrorList {
	if _, ok := old.Annotations[mirrorPod]; ok {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "static pods do not support ephemeral containers")}
	}
	path := field.NewPath("spec", "ephemeralContainers")
	errs := validateSpec(field.NewPath("spec"), &pod.Spec, pod.Name)
	now := map[string]*corev1.EphemeralContainer{}
	for i := range pod.Spec.EphemeralContainers {
		now[pod.Spec.EphemeralContainers[i].Name] = &pod.Spec.EphemeralContainers[i]
	}
	for _, was := range old.Spec.EphemeralContainers {
		if is := now[was.Name]; is == nil {
			errs = append(errs, field.Forbidden(path,
				fmt.Sprintf("existing ephemeral containers %q may not be removed\n", was.Name)))
		} else if !apiequality.Semantic.DeepEqual(was, *is) {
			errs = append(errs, field.Forbidden(path,
				fmt.Sprintf("existing ephemeral containers %q may not be changed\n%s", was.Name, diff.Diff(was, *is))))
		}
	}
	return errs
}

// ephemeralFields are what an ephemeral container may say. Nothing may count on it, so it has no ports, probes or hooks;
// the pod has its place already, so it asks for no resources.
var ephemeralFields = sets.New("Name", "Image", "Command", "Args", "WorkingDir", "EnvFrom", "Env", "VolumeMounts",
	"VolumeDevices", "TerminationMessagePath", "TerminationMessagePolicy", "ImagePullPolicy", "SecurityContext", "Stdin",
	"StdinOnce", "TTY")

// validateEphemeralContainers checks spec.ephemeralContainers. Their names are unique among all the pod's containers.
func validateEphemeralContainers(path *field.Path, spec *corev1.PodSpec, pod podScope) field.ErrorList {
	var errs field.ErrorList
	const refused = "cannot be set for an Ephemeral Container"
	names, targets := validation.Unique{}, sets.New[string]()
	ForEachContainer(spec, func(c *corev1.Container) {
		names[c.Name] = true
		targets.Insert(c.Name)
	})
	for i := range spec.EphemeralContainers {
		e, at := &spec.EphemeralContainers[i], path.Index(i)
		c := (*corev1.Container)(&e.EphemeralContainerCommon)
		errs = append(errs, validateContainer(at, c, pod)...)
		errs = append(errs, validateImageSpaceOf(at, c)...)
		errs = append(errs, names.Add(at.Child("name"), e.Name)...)
		if target := e.TargetContainerName; target != "" && !targets.Has(target) {
			errs = append(errs, field.NotFound(at.Child("targetContainerName"), target))
		}
		errs = append(errs, validation.Only(at, e.EphemeralContainerCommon, ephemeralFields, refused)...)
		for j, m := range e.VolumeMounts {
			if m.SubPath != "" {
				errs = append(errs, field.Forbidden(at.Child("volumeMounts").Index(j).Child("subPath"), refused))
			}
			if m.SubPathExpr != "" {
				errs = append(errs, field.Forbidden(at.Child("volumeMounts").Index(j).Child("subPathExpr"), refused))
			}
		}
	}
	return errs
}
