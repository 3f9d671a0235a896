package podspec

import (
	"fmt"
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// The checks of pods and of pod templates (pkg/apis/core/validation/validation.go). What they have in common is
// validateSpec; a template is checked a little less strictly, because old ones must go on working.

// ValidatePod checks a pod as it is created (old is nil) or updated.
func ValidatePod(pod, old *corev1.Pod) field.ErrorList {
	path := field.NewPath("spec")
	errs := ValidateAnnotations(field.NewPath("metadata", "annotations"), pod.Annotations, &pod.Spec)
	errs = append(errs, validateSpec(path, &pod.Spec, pod.Name)...)
	errs = append(errs, validateHostNetwork(path, &pod.Spec, true)...)
	errs = append(errs, validateTokens(path.Child("volumes"), &pod.Spec)...)
	errs = append(errs, validateImageSpace(path.Child("containers"), pod.Spec.Containers)...)
	errs = append(errs, validateImageSpace(path.Child("initContainers"), pod.Spec.InitContainers)...)
	if old != nil {
		errs = append(errs, ValidateAnnotationUpdate(field.NewPath("metadata", "annotations"), pod.Annotations, old.Annotations)...)
		return append(errs, validateUpdate(path, &pod.Spec, &old.Spec)...)
	}
	errs = append(errs, validateAppArmorAnnotations(path, pod)...)
	if len(pod.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(path.Child("ephemeralContainers"), "cannot be set on create"))
	}
	if pod.Spec.NodeName != "" && len(pod.Spec.SchedulingGates) > 0 {
		errs = append(errs, field.Forbidden(path.Child("nodeName"),
			"cannot be set until all schedulingGates have been cleared"))
	}
	return errs
}

// ValidateTemplate checks the template of everything that makes pods.
func ValidateTemplate(path *field.Path, t *corev1.PodTemplateSpec) field.ErrorList {
	errs := validation.Labels(path.Child("labels"), t.Labels)
	errs = append(errs, apivalidation.ValidateAnnotations(t.Annotations, path.Child("annotations"))...)
	errs = append(errs, ValidateAnnotations(path.Child("annotations"), t.Annotations, &t.Spec)...)
	errs = append(errs, validateSpec(path.Child("spec"), &t.Spec, "")...)
	errs = append(errs, validateHostNetwork(path.Child("spec"), &t.Spec, false)...)
	if len(t.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(path.Child("spec", "ephemeralContainers"),
			"ephemeral containers not allowed in pod template"))
	}
	return errs
}

// validateSpec checks what pods and templates have in common. name is the pod's; a template has none.
func validateSpec(path *field.Path, spec *corev1.PodSpec, name string) field.ErrorList {
	volumes, errs := validateVolumes(path.Child("volumes"), spec.Volumes, name)
	errs = append(errs, validateClaims(path.Child("resourceClaims"), spec.ResourceClaims)...)
	scope := podScope{
		volumes: volumes, claims: claimNames(spec),
		restartPolicy: spec.RestartPolicy, grace: spec.TerminationGracePeriodSeconds,
	}
	if spec.TerminationGracePeriodSeconds == nil {
		errs = append(errs, field.Required(path.Child("terminationGracePeriodSeconds"), ""))
	}
	errs = append(errs, validateContainers(path.Child("containers"), spec.Containers, scope)...)
	errs = append(errs,
		validateInitContainers(path.Child("initContainers"), spec.InitContainers, spec.Containers, scope)...)
	errs = append(errs, validateEphemeralContainers(path.Child("ephemeralContainers"), spec, scope)...)
	errs = append(errs, validation.OneOf(path.Child("restartPolicy"), spec.RestartPolicy,
		corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)...)
	errs = append(errs, validation.OneOf(path.Child("dnsPolicy"), spec.DNSPolicy, corev1.DNSClusterFirstWithHostNet,
		corev1.DNSClusterFirst, corev1.DNSDefault, corev1.DNSNone)...)
	errs = append(errs, validatePlacement(path, spec)...)
	errs = append(errs, validatePodResources(path, spec)...)
	errs = append(errs, ValidateRequirements(path.Child("overhead"), &corev1.ResourceRequirements{Limits: spec.Overhead}, nil)...)
	errs = append(errs, validatePodSecurity(path, spec)...)
	errs = append(errs, validateOS(path, spec)...)
	errs = append(errs, validateUsers(path, spec)...)
	errs = append(errs, validateHostProcess(path, spec)...)
	errs = append(errs, validateFileRefs(path, spec)...)
	errs = append(errs, validateProcMounts(path, spec)...)
	errs = append(errs, validateDNSConfig(path.Child("dnsConfig"), spec)...)
	errs = append(errs, validatePodNames(path, spec)...)
	if seconds := spec.ActiveDeadlineSeconds; seconds != nil && (*seconds < 1 || *seconds > math.MaxInt32) {
		errs = append(errs, field.Invalid(path.Child("activeDeadlineSeconds"), *seconds,
			utilvalidation.InclusiveRangeError(1, math.MaxInt32)))
	}
	for i, gate := range spec.ReadinessGates {
		errs = append(errs, validation.QualifiedName(path.Child("readinessGates").Index(i).Child("conditionType"),
			string(gate.ConditionType))...)
	}
	return errs
}

// validatePlacement checks what says where the pod may run.
func validatePlacement(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	errs := validation.Labels(path.Child("nodeSelector"), spec.NodeSelector)
	errs = append(errs, validateAffinity(path.Child("affinity"), spec.Affinity)...)
	errs = append(errs, ValidateTolerations(path.Child("tolerations"), spec.Tolerations)...)
	errs = append(errs, validateSpread(path.Child("topologySpreadConstraints"), spec.TopologySpreadConstraints)...)
	gates := validation.Unique{}
	for i, gate := range spec.SchedulingGates {
		at := path.Child("schedulingGates").Index(i)
		errs = append(errs, validation.QualifiedName(at, gate.Name)...)
		errs = append(errs, gates.Add(at, gate.Name)...)
	}
	if spec.PreemptionPolicy != nil {
		errs = append(errs, validation.OneOf(path.Child("preemptionPolicy"), *spec.PreemptionPolicy,
			corev1.PreemptLowerPriority, corev1.PreemptNever)...)
	}
	return errs
}

// validatePodNames checks the names of other objects, and those by which the pod is reached.
func validatePodNames(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	for _, n := range []struct{ name, value string }{
		{"serviceAccountName", spec.ServiceAccountName},
		{"nodeName", spec.NodeName},
		{"priorityClassName", spec.PriorityClassName},
	} {
		if n.value != "" {
			errs = append(errs, validation.DNSSubdomain(path.Child(n.name), n.value)...)
		}
	}
	if spec.RuntimeClassName != nil {
		errs = append(errs, validation.DNSSubdomain(path.Child("runtimeClassName"), *spec.RuntimeClassName)...)
	}
	if spec.Hostname != "" {
		errs = append(errs, validation.DNSLabel(path.Child("hostname"), spec.Hostname)...)
	}
	if spec.Subdomain != "" {
		errs = append(errs, validation.DNSLabel(path.Child("subdomain"), spec.Subdomain)...)
	}
	errs = append(errs, validateHostname(path.Child("hostnameOverride"), spec)...)
	for i, alias := range spec.HostAliases {
		at := path.Child("hostAliases").Index(i)
		errs = append(errs, utilvalidation.IsValidIPForLegacyField(at.Child("ip"), alias.IP, true, nil)...)
		for j, name := range alias.Hostnames {
			errs = append(errs, validation.DNSSubdomain(at.Child("hostnames").Index(j), name)...)
		}
	}
	return errs
}

// maxHostname is how long the name is that a pod may give itself, in bytes: as much as Linux takes.
const maxHostname = 64

func validateHostname(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	name := spec.HostnameOverride
	if name == nil {
		return nil
	}
	var errs field.ErrorList
	if spec.SetHostnameAsFQDN != nil && *spec.SetHostnameAsFQDN {
		errs = append(errs, field.Forbidden(path, "may not be specified when setHostnameAsFQDN is true"))
	}
	if spec.HostNetwork {
		errs = append(errs, field.Forbidden(path, "may not be specified when hostNetwork is true"))
	}
	if len(*name) > maxHostname {
		errs = append(errs, field.TooLong(path, *name, maxHostname))
	}
	return append(errs, validation.DNSSubdomain(path, *name)...)
}

// What libc's resolver takes: three servers, and a search list of 32 domains and 2,048 characters.
const (
	maxNameservers    = 3
	maxSearchPaths    = 32
	maxSearchListSize = 2048
)

func validateDNSConfig(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	c := spec.DNSConfig
	if spec.DNSPolicy == corev1.DNSNone {
		if c == nil {
			return field.ErrorList{field.Required(path, "must provide `dnsConfig` when `dnsPolicy` is None")}
		}
		if len(c.Nameservers) == 0 {
			return field.ErrorList{field.Required(path.Child("nameservers"),
				"must provide at least one DNS nameserver when `dnsPolicy` is None")}
		}
	}
	if c == nil {
		return nil
	}
	var errs field.ErrorList
	if len(c.Nameservers) > maxNameservers {
		errs = append(errs, field.Invalid(path.Child("nameservers"), c.Nameservers,
			fmt.Sprintf("must not have more than %v nameservers", maxNameservers)))
	}
	for i, server := range c.Nameservers {
		errs = append(errs, utilvalidation.IsValidIPForLegacyField(path.Child("nameservers").Index(i), server, true, nil)...)
	}
	if len(c.Searches) > maxSearchPaths {
		errs = append(errs, field.Invalid(path.Child("searches"), c.Searches,
			fmt.Sprintf("must not have more than %v search paths", maxSearchPaths)))
	}
	if len(strings.Join(c.Searches, " ")) > maxSearchListSize {
		errs = append(errs, field.Invalid(path.Child("searches"), c.Searches, fmt.Sprintf(
			"must not have more than %v characters (including spaces) in the search list", maxSearchListSize)))
	}
	for i, search := range c.Searches {
		if search != "." {
			search = strings.TrimSuffix(search, ".")
			errs = append(errs, validation.Invalid(path.Child("searches").Index(i), search,
				utilvalidation.IsDNS1123SubdomainWithUnderscore(search))...)
		}
	}
	for i, option := range c.Options {
		if option.Name == "" {
			errs = append(errs, field.Required(path.Child("options").Index(i), "must not be empty"))
		}
	}
	return errs
}

// validateHostNetwork holds a pod on the node's own network to ports that are the same inside and outside. A template
// may leave the outer one to be filled in when the pod is made.
func validateHostNetwork(path *field.Path, spec *corev1.PodSpec, isPod bool) field.ErrorList {
	if !spec.HostNetwork {
		return nil
	}
	var errs field.ErrorList
	for i, c := range spec.Containers {
		for j, p := range c.Ports {
			if (isPod || p.HostPort != 0) && p.HostPort != p.ContainerPort {
				at := path.Child("containers").Index(i).Child("ports").Index(j).Child("hostPort")
				errs = append(errs, field.Invalid(at, p.HostPort,
					"must match `containerPort` when `hostNetwork` is true"))
			}
		}
	}
	return errs
}

// validateTokens refuses the tokens of a service account that is not named.
func validateTokens(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	for i, v := range spec.Volumes {
		if v.Projected == nil || spec.ServiceAccountName != "" {
			continue
		}
		for j, source := range v.Projected.Sources {
			if source.ServiceAccountToken != nil {
				errs = append(errs, field.Forbidden(path.Index(i).Child("projected", "sources").Index(j).Child("serviceAccountToken"),
					"must not be specified when serviceAccountName is not set"))
			}
		}
	}
	return errs
}

// eachAt visits the init containers, the containers and the ephemeral containers, each with its path below that of the spec.
func eachAt(path *field.Path, spec *corev1.PodSpec, visit func(at *field.Path, c *corev1.Container)) {
	for i := range spec.InitContainers {
		visit(path.Child("initContainers").Index(i), &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		visit(path.Child("containers").Index(i), &spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		visit(path.Child("ephemeralContainers").Index(i), (*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
}
