package admission

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/core"
)

// family is the only one that minik's service addresses have.
const family = corev1.IPv4Protocol

// setFamilies fills in a service's policy and families as upstream does on a cluster of one family, or refuses what this one does not have.
func setFamilies(service, old *corev1.Service) error {
	spec := &service.Spec
	if spec.Type == corev1.ServiceTypeExternalName || keepsPreferred(service, old) {
		return nil
	}
	selectorless := spec.ClusterIP == corev1.ClusterIPNone && len(spec.Selector) == 0 // its endpoints are anybody's guess
	if spec.IPFamilyPolicy == nil {
		switch {
		case old != nil && old.Spec.IPFamilyPolicy != nil:
			spec.IPFamilyPolicy = ptr.To(*old.Spec.IPFamilyPolicy)
		case selectorless:
			spec.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyRequireDualStack)
		default:
			spec.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicySingleStack)
		}
	}
	if errs := core.ValidateClusterIPs(service, old); len(errs) > 0 {
		return invalid(service, errs...)
	}
	if errs := agreeFamilies(service, old); len(errs) > 0 {
		return invalid(service, errs...)
	}
	if selectorless {
		if len(spec.IPFamilies) == 0 {
			spec.IPFamilies = []corev1.IPFamily{family}
		}
		if len(spec.IPFamilies) < 2 && *spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack {
			spec.IPFamilies = append(spec.IPFamilies, otherFamily(spec.IPFamilies[0]))
		}
		return nil
	}
	var errs field.ErrorList
	if *spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack {
		errs = append(errs, field.Invalid(policyPath(), spec.IPFamilyPolicy, "this cluster is not configured for dual-stack services"))
	}
	for i, asked := range spec.IPFamilies {
		if asked != family {
			errs = append(errs, field.Invalid(field.NewPath("spec", "ipFamilies").Index(i), asked, "not configured on this cluster"))
		}
	}
	if len(errs) > 0 {
		return invalid(service, errs...)
	}
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = []corev1.IPFamily{family}
	}
	return nil
}

func policyPath() *field.Path { return field.NewPath("spec", "ipFamilyPolicy") }

func otherFamily(f corev1.IPFamily) corev1.IPFamily {
	if f == corev1.IPv4Protocol {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// keepsPreferred tells an update that changes nothing of a service which prefers two families. It is left as it is, so that it gains no
// family because its cluster did.
func keepsPreferred(service, old *corev1.Service) bool {
	if old == nil || service.Spec.Type != old.Spec.Type || !core.HasNodePorts(&service.Spec) && service.Spec.Type != corev1.ServiceTypeClusterIP {
		return false
	}
	const prefer = corev1.IPFamilyPolicyPreferDualStack
	is, was := &service.Spec, &old.Spec
	return ptr.Deref(is.IPFamilyPolicy, "") == prefer && ptr.Deref(was.IPFamilyPolicy, prefer) == prefer &&
		slices.Equal(is.ClusterIPs, was.ClusterIPs) && slices.Equal(is.IPFamilies, was.IPFamilies)
}

// agreeFamilies gives up what a policy of one family has no room for, where an update names that policy alone, adds the families of addresses
// that are named, and finds policies that don't go with the rest.
func agreeFamilies(service, old *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	spec := &service.Spec
	refuse := func(why string) { errs = append(errs, field.Invalid(policyPath(), spec.IPFamilyPolicy, why)) }
	single := *spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack
	if old != nil && single {
		if slices.Equal(spec.ClusterIPs, old.Spec.ClusterIPs) && len(spec.ClusterIPs) > 1 {
			spec.ClusterIPs = spec.ClusterIPs[:1]
		}
		if slices.Equal(spec.IPFamilies, old.Spec.IPFamilies) && len(spec.IPFamilies) > 1 {
			spec.IPFamilies = spec.IPFamilies[:1]
		}
	} else if old != nil {
		if n := len(spec.ClusterIPs); n > 0 && n < len(old.Spec.ClusterIPs) {
			refuse("must be 'SingleStack' to release the secondary cluster IP")
		}
		if n := len(spec.IPFamilies); n > 0 && n < len(old.Spec.IPFamilies) {
			refuse("must be 'SingleStack' to release the secondary IP family")
		}
	}
	if single && len(spec.ClusterIPs) == 2 {
		refuse("must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified")
	}
	if single && len(spec.IPFamilies) == 2 {
		refuse("must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified")
	}
	for i, ip := range spec.ClusterIPs {
		if ip == corev1.ClusterIPNone {
			break
		}
		if i < len(spec.IPFamilies) {
			continue // it was compared with the address
		}
		if f := core.FamilyOf(ip); f != family {
			errs = append(errs, field.Invalid(field.NewPath("spec", "clusterIPs").Index(i), spec.ClusterIPs,
				fmt.Sprintf("%s is not configured on this cluster", f)))
		} else {
			spec.IPFamilies = append(spec.IPFamilies, f)
		}
	}
	return errs
}
