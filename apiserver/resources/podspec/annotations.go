package podspec

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// Some annotations of pods mean something to Kubernetes: AppArmor's were its fields before it had any.

const deprecatedAppArmor = `deprecated since v1.30; use the "appArmorProfile" field instead`

const appArmorPrefix = corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix

// ValidateAnnotations checks the annotations of a pod or a template.
func ValidateAnnotations(path *field.Path, annotations map[string]string, spec *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	if value, ok := annotations[mirrorPod]; ok && spec.NodeName == "" {
		errs = append(errs, field.Invalid(path.Key(mirrorPod), value, "must set spec.nodeName if mirror pod annotation is set"))
	}
	// The number has one form, because a scheduler of another make compares the text.
	if cost, ok := annotations[corev1.PodDeletionCost]; ok {
		if n, err := strconv.ParseInt(cost, 10, 32); err != nil || strconv.FormatInt(n, 10) != cost {
			errs = append(errs, field.Invalid(path.Key(corev1.PodDeletionCost), cost, "must be a 32bit integer"))
		}
	}
	for key, profile := range annotations {
		name, ok := strings.CutPrefix(key, appArmorPrefix)
		if !ok {
			continue
		}
		found := false
		eachAt(path, spec, func(_ *field.Path, c *corev1.Container) { found = found || c.Name == name })
		if !found {
			errs = append(errs, field.Invalid(path.Key(key), name, "container not found"))
		}
		if profile != "" && appArmorOf(profile) == nil && !strings.HasPrefix(profile, corev1.DeprecatedAppArmorBetaProfileNamePrefix) {
			errs = append(errs, field.Invalid(path.Key(key), profile, fmt.Sprintf("invalid AppArmor profile name: %q", profile)))
		}
	}
	return errs
}

// ValidateAnnotationUpdate keeps the annotations that a running pod was made by.
func ValidateAnnotationUpdate(path *field.Path, is, was map[string]string) field.ErrorList {
	var errs field.ErrorList
	refuse := func(key, appArmor, mirror string) {
		if strings.HasPrefix(key, appArmorPrefix) {
			errs = append(errs, field.Forbidden(path.Key(key), appArmor))
		}
		if key == mirrorPod {
			errs = append(errs, field.Forbidden(path.Key(key), mirror))
		}
	}
	for key, value := range was {
		if now, ok := is[key]; !ok || now != value {
			refuse(key, "may not remove or update AppArmor annotations", "may not remove or update mirror pod annotation")
		}
	}
	for key := range is {
		if _, ok := was[key]; !ok {
			refuse(key, "may not add AppArmor annotations", "may not add mirror pod annotation")
		}
	}
	return errs
}

// validateAppArmorAnnotations asks the annotations of a new pod to say what its fields say.
func validateAppArmorAnnotations(path *field.Path, pod *corev1.Pod) field.ErrorList {
	if pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows {
		return nil
	}
	var errs field.ErrorList
	eachAt(path, &pod.Spec, func(at *field.Path, c *corev1.Container) {
		value, ok := pod.Annotations[appArmorPrefix+c.Name]
		profile := appArmorField(&pod.Spec, c)
		if !ok || profile == nil {
			return
		}
		at = at.Child("securityContext", "appArmorProfile")
		local, isLocal := strings.CutPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix)
		const other = "apparmor type in annotation and field must match"
		switch profile.Type {
		case corev1.AppArmorProfileTypeUnconfined:
			if value != corev1.DeprecatedAppArmorBetaProfileNameUnconfined {
				errs = append(errs, field.Forbidden(at.Child("type"), other))
			}
		case corev1.AppArmorProfileTypeRuntimeDefault:
			if value != corev1.DeprecatedAppArmorBetaProfileRuntimeDefault {
				errs = append(errs, field.Forbidden(at.Child("type"), other))
			}
		case corev1.AppArmorProfileTypeLocalhost:
			if !isLocal {
				errs = append(errs, field.Forbidden(at.Child("type"), other))
			} else if profile.LocalhostProfile == nil || local != *profile.LocalhostProfile {
				errs = append(errs, field.Forbidden(at.Child("localhostProfile"), "apparmor profile in annotation and field must match"))
			}
		}
	})
	return errs
}

// appArmorField is the profile that the fields give a container; nil is none.
func appArmorField(spec *corev1.PodSpec, c *corev1.Container) *corev1.AppArmorProfile {
	if c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
		return c.SecurityContext.AppArmorProfile
	}
	if spec.SecurityContext != nil {
		return spec.SecurityContext.AppArmorProfile
	}
	return nil
}

// appArmorOf is the field that stands for an annotation; nil is that none does.
func appArmorOf(annotation string) *corev1.AppArmorProfile {
	switch annotation {
	case corev1.DeprecatedAppArmorBetaProfileNameUnconfined:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	case corev1.DeprecatedAppArmorBetaProfileRuntimeDefault:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	}
	if name, ok := strings.CutPrefix(annotation, corev1.DeprecatedAppArmorBetaProfileNamePrefix); ok && name != "" {
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: ptr.To(name)}
	}
	return nil
}

// SyncAppArmor gives the containers of a new pod the profile that an annotation names, where no field does.
func SyncAppArmor(pod *corev1.Pod) {
	if pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows {
		return
	}
	forEvery(&pod.Spec, func(c *corev1.Container) {
		profile := appArmorOf(pod.Annotations[appArmorPrefix+c.Name])
		if profile == nil || c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil ||
			len(validateAppArmor(field.NewPath(""), profile)) > 0 || apiequality.Semantic.DeepEqual(profile, appArmorField(&pod.Spec, c)) {
			return
		}
		if c.SecurityContext == nil {
			c.SecurityContext = &corev1.SecurityContext{}
		}
		c.SecurityContext.AppArmorProfile = profile
	})
}

// warnAppArmor warns of the annotations of a new pod that became fields, and of those that could not.
func warnAppArmor(pod *corev1.Pod) []string {
	if pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows {
		return nil
	}
	var warnings []string
	forEvery(&pod.Spec, func(c *corev1.Container) {
		key := appArmorPrefix + c.Name
		value, ok := pod.Annotations[key]
		// A field that says the same is taken for the annotation's.
		var own *corev1.AppArmorProfile
		if c.SecurityContext != nil {
			own = c.SecurityContext.AppArmorProfile
		}
		profile := appArmorOf(value)
		if ok && (own == nil && profile == nil || own != nil && apiequality.Semantic.DeepEqual(own, profile)) {
			warnings = append(warnings, field.NewPath("metadata", "annotations").Key(key).String()+": "+deprecatedAppArmor)
		}
	})
	return warnings
}
