package core

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
)

// validateNode checks a node as its kubelet registers it, with its status, and as somebody changes it.
func validateNode(n, old *corev1.Node) field.ErrorList {
	metadata := field.NewPath("metadata") // upstream looks for some of the spec under this path
	errs := validateNodeAnnotations(metadata.Child("annotations"), n.Annotations)
	errs = append(errs, podspec.ValidateTaints(metadata.Child("taints"), n.Spec.Taints)...)
	errs = append(errs, validateNodeReport(n)...)
	if swap := n.Status.NodeInfo.Swap; swap != nil && swap.Capacity != nil && *swap.Capacity <= 0 {
		errs = append(errs, field.Invalid(metadata.Child("nodeSwapStatus", "capacity"), *swap.Capacity, "must be greater than zero"))
	}
	errs = append(errs, validatePodCIDRs(field.NewPath("spec", "podCIDRs"), n.Spec.PodCIDRs)...)
	if old != nil {
		errs = append(errs, validateNodeUpdate(n, old)...)
	}
	return errs
}

// validatePodCIDRs takes one range of addresses of each family.
func validatePodCIDRs(path *field.Path, cidrs []string) field.ErrorList {
	var errs field.ErrorList
	for i, cidr := range cidrs {
		errs = append(errs, utilvalidation.IsValidCIDRForLegacyField(path.Index(i), cidr, true, nil)...)
	}
	if len(cidrs) < 2 {
		return errs
	}
	dual, err := netutils.IsDualStackCIDRStrings(cidrs)
	if err != nil {
		errs = append(errs, field.InternalError(path, fmt.Errorf("invalid PodCIDRs. failed to check with dual stack with error:%w", err)))
	}
	if !dual || len(cidrs) > 2 {
		errs = append(errs, field.Invalid(path, cidrs, "may specify no more than one CIDR for each IP family"))
	}
	return errs
}

// validateNodeUpdate checks what a node may become, whoever changes it: somebody its spec, or its kubelet its status.
func validateNodeUpdate(n, old *corev1.Node) field.ErrorList {
	path, metadata := field.NewPath("spec"), field.NewPath("metadata")
	errs := validateNodeAnnotations(metadata.Child("annotations"), n.Annotations)
	errs = append(errs, podspec.ValidateTaints(metadata.Child("taints"), n.Spec.Taints)...)
	errs = append(errs, validateNodeReport(n)...)
	addresses := field.NewPath("status", "addresses")
	for i, address := range n.Status.Addresses {
		if slices.Contains(n.Status.Addresses[:i], address) {
			errs = append(errs, field.Duplicate(addresses.Index(i), address))
		}
	}
	if len(old.Spec.PodCIDRs) > 0 && !slices.Equal(n.Spec.PodCIDRs, old.Spec.PodCIDRs) {
		errs = append(errs, field.Forbidden(path.Child("podCIDRs"), `node updates may not change podCIDR except from "" to valid`))
	}
	switch is, was := n.Spec.ProviderID, old.Spec.ProviderID; {
	case was == "" || is == was:
	case is == "":
		errs = append(errs, field.Invalid(path.Child("providerID"), nil, "field cannot be cleared once set"))
	default:
		errs = append(errs, field.Invalid(path.Child("providerID"), nil, "field cannot be modified once set"))
	}
	errs = append(errs, validateNodeConfig(n)...)
	if n.Spec.DoNotUseExternalID != old.Spec.DoNotUseExternalID {
		errs = append(errs, field.Forbidden(path.Child("externalID"), "may not be updated"))
	}
	return errs
}

// declaredFeature is what a kubelet's features are called: MyFeature, or MyFeature/part.
var declaredFeature = regexp.MustCompile(`^[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*$`)

// validateNodeReport checks what a kubelet reports: its amounts, and the features that it declares, sorted and each once.
func validateNodeReport(n *corev1.Node) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("status")
	for _, list := range []struct {
		name  string
		items corev1.ResourceList
	}{{"capacity", n.Status.Capacity}, {"allocatable", n.Status.Allocatable}} {
		for _, name := range validation.SortedKeys(list.items) {
			errs = append(errs, validation.Quantity(path.Child(list.name, string(name)), name, list.items[name])...)
		}
	}
	features := n.Status.DeclaredFeatures
	for i, feature := range features {
		at := path.Child("declaredFeatures").Index(i)
		switch {
		case len(feature) > utilvalidation.DNS1123SubdomainMaxLength:
			errs = append(errs, field.Invalid(at, feature, fmt.Sprintf("invalid feature name %q: must be no more than %d characters", feature,
				utilvalidation.DNS1123SubdomainMaxLength)))
		case !declaredFeature.MatchString(feature):
			errs = append(errs, field.Invalid(at, feature, fmt.Sprintf("invalid feature name %q: must start with an UpperCamelCase segment, with "+
				"subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes",
				feature)))
		}
		switch {
		case i > 0 && feature == features[i-1]:
			errs = append(errs, field.Duplicate(at, feature))
		case i > 0 && feature < features[i-1]:
			errs = append(errs, field.Invalid(at, feature, "list must be sorted alphabetically"))
		}
	}
	return errs
}

// taintsAnnotation is where taints were before they became a field.
const taintsAnnotation = "scheduler.alpha.kubernetes.io/taints"

// validateNodeAnnotations reads the annotations that once told the scheduler what are fields by now, or gone.
func validateNodeAnnotations(path *field.Path, annotations map[string]string) field.ErrorList {
	var errs field.ErrorList
	if text := annotations[taintsAnnotation]; text != "" {
		var taints []corev1.Taint
		if err := json.Unmarshal([]byte(text), &taints); err != nil {
			errs = append(errs, field.Invalid(path, taintsAnnotation, err.Error()))
		} else {
			errs = append(errs, podspec.ValidateTaints(path.Child(taintsAnnotation), taints)...)
		}
	}
	text := annotations[corev1.PreferAvoidPodsAnnotationKey]
	if text == "" {
		return errs
	}
	var avoid corev1.AvoidPods
	if err := json.Unmarshal([]byte(text), &avoid); err != nil {
		return append(errs, field.Invalid(path.Child("AvoidPods"), corev1.PreferAvoidPodsAnnotationKey, err.Error()))
	}
	for i, entry := range avoid.PreferAvoidPods {
		at := path.Child(corev1.PreferAvoidPodsAnnotationKey).Index(i).Child("PodSignature")
		if owner := entry.PodSignature.PodController; owner == nil {
			errs = append(errs, field.Required(at, ""))
		} else if owner.Controller == nil || !*owner.Controller {
			errs = append(errs, field.Invalid(at.Child("PodController", "Controller"), false, "must point to a controller"))
		}
	}
	return errs
}

// validateNodeConfig checks the ConfigMaps of which a kubelet was once configured; nodes that have such from then keep them.
func validateNodeConfig(n *corev1.Node) field.ErrorList {
	var errs field.ErrorList
	if source := n.Spec.ConfigSource; source != nil {
		path := field.NewPath("spec", "configSource")
		if ref := source.ConfigMap; ref == nil {
			errs = append(errs, field.Invalid(path, source, "exactly one reference subfield must be non-nil"))
		} else {
			if ref.UID != "" {
				errs = append(errs, field.Forbidden(path.Child("configMap", "uid"), "uid must not be set in spec"))
			}
			if ref.ResourceVersion != "" {
				errs = append(errs, field.Forbidden(path.Child("configMap", "resourceVersion"), "resourceVersion must not be set in spec"))
			}
			errs = append(errs, validateConfigMapOfNode(path.Child("configMap"), ref)...)
		}
	}
	status := n.Status.Config
	if status == nil {
		return errs
	}
	for _, s := range []struct {
		name   string
		source *corev1.NodeConfigSource
	}{{"assigned", status.Assigned}, {"active", status.Active}, {"lastKnownGood", status.LastKnownGood}} {
		if s.source == nil {
			continue
		}
		path := field.NewPath("status", "config", s.name)
		ref := s.source.ConfigMap
		if ref == nil {
			errs = append(errs, field.Invalid(path, s.source, "exactly one reference subfield must be non-nil"))
			continue
		}
		errs = append(errs, validation.Required(path.Child("configMap", "uid"), string(ref.UID))...)
		errs = append(errs, validation.Required(path.Child("configMap", "resourceVersion"), ref.ResourceVersion)...)
		errs = append(errs, validateConfigMapOfNode(path.Child("configMap"), ref)...)
	}
	return errs
}

func validateConfigMapOfNode(path *field.Path, ref *corev1.ConfigMapNodeConfigSource) field.ErrorList {
	var errs field.ErrorList
	for _, f := range []struct {
		name, value string
		check       func(string) []string
	}{
		{"namespace", ref.Namespace, func(name string) []string { return apivalidation.ValidateNamespaceName(name, false) }},
		{"name", ref.Name, utilvalidation.IsDNS1123Subdomain},
		{"kubeletConfigKey", ref.KubeletConfigKey, utilvalidation.IsConfigMapKey},
	} {
		if f.value == "" {
			errs = append(errs, field.Required(path.Child(f.name), ""))
		} else {
			errs = append(errs, validation.Invalid(path.Child(f.name), f.value, f.check(f.value))...)
		}
	}
	return errs
}

// warnNode names what nobody heeds any more, and ranges that are written in an unusual way.
func warnNode(n *corev1.Node) []string {
	var warnings []string
	if n.Spec.ConfigSource != nil {
		warnings = append(warnings, "spec.configSource: the feature is removed")
	}
	if n.Spec.DoNotUseExternalID != "" {
		warnings = append(warnings, "spec.externalID: this field is deprecated, and is unused by Kubernetes")
	}
	for i, cidr := range n.Spec.PodCIDRs {
		warnings = append(warnings, utilvalidation.GetWarningsForCIDR(field.NewPath("spec", "podCIDRs").Index(i), cidr)...)
	}
	return warnings
}
