package core

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
)

// defaultPodStatus rounds amounts, and fills in what one address says.
func defaultPodStatus(status *corev1.PodStatus) {
	agreePodIPs(status)
	defaults.RoundUp(status.AllocatedResources)
	roundUp := func(r *corev1.ResourceRequirements) {
		if r != nil {
			defaults.RoundUp(r.Limits)
			defaults.RoundUp(r.Requests)
		}
	}
	roundUp(status.Resources)
	for _, statuses := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses, status.EphemeralContainerStatuses} {
		for i := range statuses {
			defaults.RoundUp(statuses[i].AllocatedResources)
			roundUp(statuses[i].Resources)
		}
	}
}

// agreePodIPs keeps the one address and the list of addresses the same, whichever was given; where they differ, the one counts, as old
// kubelets know it alone.
func agreePodIPs(status *corev1.PodStatus) {
	switch {
	case status.PodIP != "" && (len(status.PodIPs) == 0 || status.PodIPs[0].IP != status.PodIP):
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	case len(status.PodIPs) > 0:
		status.PodIP = status.PodIPs[0].IP
	}
}

// applyPodStatus takes the status from a kubelet or a scheduler. The QoS class is the server's: it is kept.
func applyPodStatus(pod, body *corev1.Pod) {
	old := pod.Status
	pod.Status = body.Status
	if pod.Status.QOSClass == "" {
		pod.Status.QOSClass = old.QOSClass
	}
	keepClaims(&pod.Status, &old)
	keepObservedGenerations(&pod.Status, &old)
	agreePodIPs(&pod.Status)
}

// keepClaims keeps what a writer that does not know of claims of devices leaves out, and drops what belongs to features that are not on.
func keepClaims(now, old *corev1.PodStatus) {
	if now.ResourceClaimStatuses == nil {
		now.ResourceClaimStatuses = old.ResourceClaimStatuses
	}
	if now.ExtendedResourceClaimStatus == nil {
		now.ExtendedResourceClaimStatus = old.ExtendedResourceClaimStatus
	}
	if now.NodeAllocatableResourceClaimStatuses == nil || len(old.NodeAllocatableResourceClaimStatuses) == 0 {
		now.NodeAllocatableResourceClaimStatuses = old.NodeAllocatableResourceClaimStatuses
	}
	if len(old.VolumeHealth) == 0 {
		now.VolumeHealth = nil
	}
}

// keepObservedGenerations keeps what a writer that does not know of observed generations leaves out. There may be several
// conditions of one type: the first keeps the first one's generation, and so on.
func keepObservedGenerations(now, old *corev1.PodStatus) {
	if now.ObservedGeneration == 0 {
		now.ObservedGeneration = old.ObservedGeneration
	}
	before := map[corev1.PodConditionType][]int64{}
	for _, c := range old.Conditions {
		before[c.Type] = append(before[c.Type], c.ObservedGeneration)
	}
	for i := range now.Conditions {
		c := &now.Conditions[i]
		if kept := before[c.Type]; len(kept) > 0 {
			before[c.Type] = kept[1:]
			if c.ObservedGeneration == 0 {
				c.ObservedGeneration = kept[0]
			}
		}
	}
}

// validatePodStatus checks what a kubelet or a scheduler says. A container that has ended for good does not come back to life.
func validatePodStatus(pod, old *corev1.Pod) field.ErrorList {
	path, is, was := field.NewPath("status"), &pod.Status, &old.Status
	errs := validation.Immutable(path.Child("qosClass"), is.QOSClass, was.QOSClass)
	annotations := field.NewPath("metadata", "annotations")
	errs = append(errs, podspec.ValidateAnnotationUpdate(annotations, pod.Annotations, old.Annotations)...)
	errs = append(errs, podspec.ValidateAnnotations(annotations, pod.Annotations, &pod.Spec)...)
	errs = append(errs, validatePodConditions(path.Child("conditions"), is.Conditions)...)
	if name := is.NominatedNodeName; name != "" && name != was.NominatedNodeName {
		at := path.Child("nominatedNodeName")
		errs = append(errs, validation.DNSSubdomain(at, name)...)
		if old.Spec.NodeName != "" {
			errs = append(errs, field.Forbidden(at, "may not be set on pods that are already bound to a node"))
		}
	}
	if is.ObservedGeneration < 0 {
		errs = append(errs, field.Invalid(path.Child("observedGeneration"), is.ObservedGeneration, "must be a non-negative integer"))
	}
	errs = append(errs, validatePodAddresses(path, is, was)...)
	errs = append(errs, validatePodClaims(path, pod)...)
	containers, inits, ephemeral := path.Child("containerStatuses"), path.Child("initContainerStatuses"), path.Child("ephemeralContainerStatuses")
	errs = append(errs, podspec.ValidateEnded(containers, is.ContainerStatuses, was.ContainerStatuses, &old.Spec, old.Spec.Containers)...)
	errs = append(errs, podspec.ValidateEnded(inits, is.InitContainerStatuses, was.InitContainerStatuses, &old.Spec, old.Spec.InitContainers)...)
	errs = append(errs, podspec.ValidateEnded(ephemeral, is.EphemeralContainerStatuses, was.EphemeralContainerStatuses, nil, nil)...)
	errs = append(errs, podspec.ValidateContainerStatuses(containers, is.ContainerStatuses, pod.Spec.Containers, pod)...)
	errs = append(errs, podspec.ValidateContainerStatuses(inits, is.InitContainerStatuses, pod.Spec.InitContainers, pod)...)
	return append(errs, podspec.ValidateEphemeralStatuses(ephemeral, is.EphemeralContainerStatuses, pod)...)
}

func validatePodConditions(path *field.Path, conditions []corev1.PodCondition) field.ErrorList {
	var errs field.ErrorList
	for i, c := range conditions {
		if c.ObservedGeneration < 0 {
			errs = append(errs, field.Invalid(path.Index(i).Child("observedGeneration"), c.ObservedGeneration, "must be a non-negative integer"))
		}
		errs = append(errs, validation.QualifiedName(path.Index(i).Child("Type"), string(c.Type))...)
	}
	return errs
}

// validatePodAddresses takes one address of each family, of the pod and of its node.
func validatePodAddresses(path *field.Path, is, was *corev1.PodStatus) field.ErrorList {
	pods := func(s *corev1.PodStatus) (ips []string) {
		for _, ip := range s.PodIPs {
			ips = append(ips, ip.IP)
		}
		return ips
	}
	hosts := func(s *corev1.PodStatus) (ips []string) {
		for _, ip := range s.HostIPs {
			ips = append(ips, ip.IP)
		}
		return ips
	}
	errs := validateFamilyEach(path.Child("podIPs"), pods(is), pods(was), is.PodIPs)
	if (is.PodIP != "") != (len(is.PodIPs) > 0) {
		errs = append(errs, field.Invalid(path.Child("podIPs"), is.PodIPs, "podIP and podIPs must either both be set or both be unset"))
	}
	errs = append(errs, validateFamilyEach(path.Child("hostIPs"), hosts(is), hosts(was), is.HostIPs)...)
	if len(is.HostIPs) > 0 && is.HostIPs[0].IP != is.HostIP {
		errs = append(errs, field.Invalid(path.Child("hostIPs").Index(0).Child("ip"), is.HostIPs[0].IP, "must be equal to `hostIP`"))
	}
	return errs
}

func validateFamilyEach(path *field.Path, is, was []string, shown any) field.ErrorList {
	var errs field.ErrorList
	for i, ip := range is {
		errs = append(errs, utilvalidation.IsValidIPForLegacyField(path.Index(i), ip, true, was)...)
	}
	if len(is) < 2 {
		return errs
	}
	dual, err := netutils.IsDualStackIPStrings(is)
	if err != nil {
		errs = append(errs, field.InternalError(path, fmt.Errorf("failed to check for dual stack with error:%w", err)))
	}
	if !dual || len(is) > 2 {
		errs = append(errs, field.Invalid(path, shown, "may specify no more than one IP for each IP family"))
	}
	return errs
}

// validatePodClaims holds the claims that were made for the pod to those that it asks for.
func validatePodClaims(path *field.Path, pod *corev1.Pod) field.ErrorList {
	var errs field.ErrorList
	seen := validation.Unique{}
	for i, s := range pod.Status.ResourceClaimStatuses {
		at := path.Child("resourceClaimStatuses").Index(i)
		if !slices.ContainsFunc(pod.Spec.ResourceClaims, func(c corev1.PodResourceClaim) bool { return c.Name == s.Name }) {
			errs = append(errs, field.Invalid(at.Child("name"), s.Name, "must match the name of an entry in `spec.resourceClaims`"))
		}
		errs = append(errs, seen.Add(at.Child("name"), s.Name)...)
		if s.ResourceClaimName != nil {
			errs = append(errs, validation.Invalid(at.Child("resourceClaimName"), s.ResourceClaimName,
				utilvalidation.IsDNS1123Subdomain(*s.ResourceClaimName))...)
		}
	}
	if s := pod.Status.ExtendedResourceClaimStatus; s != nil {
		errs = append(errs, validateExtendedClaim(path.Child("extendedResourceClaimStatus"), s, &pod.Spec)...)
	}
	return errs
}

func validateExtendedClaim(path *field.Path, s *corev1.PodExtendedResourceClaimStatus, spec *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	mappings := path.Child("requestMappings")
	if len(s.RequestMappings) == 0 {
		errs = append(errs, field.Required(mappings, "at least one request mapping is required"))
	}
	asked := map[string]corev1.ResourceList{}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		asked[c.Name] = c.Resources.Requests
	}
	for i, m := range s.RequestMappings {
		at := mappings.Index(i)
		if requests, ok := asked[m.ContainerName]; !ok {
			errs = append(errs, field.Invalid(at.Child("containerName"), m.ContainerName,
				"must match the name of an entry in spec.initContainers.name or spec.containers.name"))
		} else if _, ok := requests[corev1.ResourceName(m.ResourceName)]; !ok {
			errs = append(errs, field.Invalid(at.Child("resourceName"), m.ResourceName, "must match the extended resource name of an entry in "+
				"spec.initContainers.resources.requests or spec.containers.resources.requests"))
		}
		errs = append(errs, validation.DNSLabel(path.Child("requestName"), m.RequestName)...)
		if slices.Contains(s.RequestMappings[:i], m) {
			errs = append(errs, field.Duplicate(at.Child("containerName"), m.ContainerName), field.Duplicate(at.Child("resourceName"), m.ResourceName),
				field.Duplicate(at.Child("requestName"), m.RequestName))
		}
	}
	if s.ResourceClaimName == "" {
		return append(errs, field.Required(path.Child("resourceClaimName"), ""))
	}
	return append(errs, validation.DNSSubdomain(path.Child("resourceClaimName"), s.ResourceClaimName)...)
}

// warnPodStatus warns of addresses that not everybody reads alike.
func warnPodStatus(pod, _ *corev1.Pod) []string {
	var out []string
	path := field.NewPath("status")
	for i, ip := range pod.Status.PodIPs {
		out = append(out, utilvalidation.GetWarningsForIP(path.Child("podIPs").Index(i).Child("ip"), ip.IP)...)
	}
	for i, ip := range pod.Status.HostIPs {
		out = append(out, utilvalidation.GetWarningsForIP(path.Child("hostIPs").Index(i).Child("ip"), ip.IP)...)
	}
	return out
}
