package core

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/validation"
)

// A service's addresses are four fields that have to agree: clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy. What follows holds on any
// cluster; which families this one has is admission's to say.

// ValidateClusterIPs checks them by themselves: no address, "None" for a headless service, or one of each family.
func ValidateClusterIPs(s, old *corev1.Service) field.ErrorList {
	spec, path := &s.Spec, field.NewPath("spec")
	if spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var errs field.ErrorList
	at, ips := path.Child("clusterIPs"), spec.ClusterIPs
	switch {
	case spec.ClusterIP == "" && len(ips) > 0:
		errs = append(errs, field.Invalid(at, ips, "must be empty when `clusterIP` is not specified"))
	case spec.ClusterIP != "" && len(ips) == 0:
		errs = append(errs, field.Required(at, ""))
	case len(ips) > 0 && ips[0] != spec.ClusterIP:
		errs = append(errs, field.Invalid(at, ips, "first value must match `clusterIP`"))
	}
	errs = append(errs, validateFamilies(path, spec)...)
	var before []string
	if old != nil {
		before = old.Spec.ClusterIPs
	}
	var wrong field.ErrorList
	for i, ip := range ips {
		if i == 0 && ip == corev1.ClusterIPNone {
			if len(ips) > 1 {
				wrong = append(wrong, field.Invalid(at, ips, "'None' must be the first and only value"))
			}
			continue
		}
		wrong = append(wrong, utilvalidation.IsValidIPForLegacyField(at.Index(i), ip, true, before)...)
	}
	errs = append(errs, wrong...)
	if len(ips) > 2 {
		errs = append(errs, field.Invalid(at, ips, "may only hold up to 2 values"))
	}
	if len(wrong) > 0 {
		return errs // no use to ask for the family of what is no address
	}
	return append(errs, validateFamiliesOf(at, ips, spec)...)
}

func validateFamilies(path *field.Path, spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	for i, family := range spec.IPFamilies {
		at := path.Child("ipFamilies").Index(i)
		errs = append(errs, validation.Supported(at, family, corev1.IPv4Protocol, corev1.IPv6Protocol)...)
		if slices.Contains(spec.IPFamilies[:i], family) {
			errs = append(errs, field.Duplicate(at, family))
		}
	}
	if policy := spec.IPFamilyPolicy; policy != nil {
		errs = append(errs, validation.Supported(path.Child("ipFamilyPolicy"), *policy, corev1.IPFamilyPolicyPreferDualStack,
			corev1.IPFamilyPolicyRequireDualStack, corev1.IPFamilyPolicySingleStack)...)
	}
	return errs
}

// validateFamiliesOf holds the addresses to the families that stand at their places.
func validateFamiliesOf(at *field.Path, ips []string, spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	if len(ips) > 1 {
		if dual, err := netutils.IsDualStackIPStrings(ips); err != nil {
			errs = append(errs, field.InternalError(at, fmt.Errorf("failed to check for dual stack with error:%w", err)))
		} else if !dual {
			errs = append(errs, field.Invalid(at, ips, "may specify no more than one IP for each IP family"))
		}
	}
	if headless(spec) {
		return errs
	}
	for i, ip := range ips[:min(len(ips), len(spec.IPFamilies))] {
		if family := spec.IPFamilies[i]; (family == corev1.IPv4Protocol || family == corev1.IPv6Protocol) && family != FamilyOf(ip) {
			errs = append(errs, field.Invalid(at.Index(i), ip, fmt.Sprintf("expected an %s value as indicated by `ipFamilies[%d]`", family, i)))
		}
	}
	return errs
}

// FamilyOf is the family of an address.
func FamilyOf(ip string) corev1.IPFamily {
	if netutils.IsIPv6String(ip) {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// validateClusterIPsUpdate keeps the addresses that others rely on. A second one may come, or go where the policy says so; to and from
// ExternalName all may change.
func validateClusterIPsUpdate(path *field.Path, spec, old *corev1.ServiceSpec) field.ErrorList {
	if spec.Type == corev1.ServiceTypeExternalName || old.Type == corev1.ServiceTypeExternalName || headless(spec) && headless(old) {
		return nil
	}
	at, is, was := path.Child("clusterIPs"), spec.ClusterIPs, old.ClusterIPs
	changed := func(i int) *field.Error { return field.Invalid(at.Index(i), is, "may not change once set") }
	if len(is) == len(was) {
		var errs field.ErrorList
		for i := range was {
			if is[i] != was[i] {
				errs = append(errs, changed(i))
			}
		}
		return errs
	}
	var errs field.ErrorList
	if len(is) == 0 {
		errs = append(errs, field.Invalid(at.Index(0), is, "primary clusterIP can not be unset"))
	} else if len(was) > 0 && is[0] != was[0] {
		errs = append(errs, changed(0))
	}
	if len(is) == 1 && len(was) > 1 && !singleStack(spec) {
		errs = append(errs, field.Invalid(path.Child("ipFamilyPolicy"), spec.IPFamilyPolicy,
			"must be set to 'SingleStack' when releasing the secondary clusterIP"))
	}
	return errs
}

// validateFamiliesUpdate does the same for the families. Headless services, which have no addresses to lose, may change theirs. Upstream
// looks for addresses where families are gone, and shows them for families that changed.
func validateFamiliesUpdate(path *field.Path, spec, old *corev1.ServiceSpec) field.ErrorList {
	if spec.Type == corev1.ServiceTypeExternalName || old.Type == corev1.ServiceTypeExternalName || headless(spec) || headless(old) {
		return nil
	}
	var errs field.ErrorList
	at, is, was := path.Child("ipFamilies").Index(0), spec.IPFamilies, old.IPFamilies
	if len(is) == len(was) {
		for i := range was {
			if is[i] != was[i] {
				errs = append(errs, field.Invalid(at, is, "may not change once set"))
			}
		}
		return errs
	}
	if len(is) < len(was) && len(spec.ClusterIPs) == 0 {
		errs = append(errs, field.Invalid(at, is, "primary ipFamily can not be unset"))
	}
	if len(is) > 0 && len(was) > 0 && is[0] != was[0] {
		errs = append(errs, field.Invalid(at, spec.ClusterIPs, "may not change once set"))
	}
	if len(is) == 1 && len(was) > 1 && !singleStack(spec) {
		errs = append(errs, field.Invalid(path.Child("ipFamilyPolicy"), spec.IPFamilyPolicy,
			"must be set to 'SingleStack' when releasing the secondary ipFamily"))
	}
	return errs
}

func singleStack(spec *corev1.ServiceSpec) bool {
	return ptr.Deref(spec.IPFamilyPolicy, "") == corev1.IPFamilyPolicySingleStack
}
