package networking

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"minik.dev/apiserver/resources/validation"
)

// validateNetworkPolicy checks a network policy (pkg/apis/networking/validation).
func validateNetworkPolicy(p, old *networkingv1.NetworkPolicy) field.ErrorList {
	var known []string // ranges that are there already may stay, as they may stem from a time with laxer rules
	if old != nil {
		for _, cidr := range policyCIDRs(&old.Spec) {
			known = append(known, cidr.value)
		}
	}
	path, spec := field.NewPath("spec"), &p.Spec
	errs := validation.LabelSelector(path.Child("podSelector"), &spec.PodSelector)
	for _, rule := range policyRules(spec) {
		for i := range rule.ports {
			errs = append(errs, validatePolicyPort(rule.path.Child("ports").Index(i), &rule.ports[i])...)
		}
		for i := range rule.peers {
			errs = append(errs, validatePolicyPeer(rule.peersPath.Index(i), &rule.peers[i], known)...)
		}
	}
	types := path.Child("policyTypes")
	if len(spec.PolicyTypes) > 2 {
		return append(errs, field.Invalid(types, spec.PolicyTypes, "may not specify more than two policyTypes"))
	}
	for i, kind := range spec.PolicyTypes {
		errs = append(errs, validation.Supported(types.Index(i), kind,
			networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)...)
	}
	return errs
}

// validatePolicyPort takes a port by its number or by its name, or the range from a number to endPort.
func validatePolicyPort(path *field.Path, p *networkingv1.NetworkPolicyPort) field.ErrorList {
	var errs field.ErrorList
	if p.Protocol != nil {
		errs = append(errs, validation.Supported(path.Child("protocol"), *p.Protocol,
			corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)...)
	}
	end := path.Child("endPort")
	switch {
	case p.Port == nil:
		if p.EndPort != nil {
			errs = append(errs, field.Invalid(end, *p.EndPort, "may not be specified when `port` is not specified"))
		}
	case p.Port.Type == intstr.String:
		if p.EndPort != nil {
			errs = append(errs, field.Invalid(end, *p.EndPort, "may not be specified when `port` is non-numeric"))
		}
		errs = append(errs, validation.PortOrName(path.Child("port"), *p.Port)...)
	default:
		errs = append(errs, validation.PortOrName(path.Child("port"), *p.Port)...)
		if p.EndPort == nil {
			break
		}
		if *p.EndPort < p.Port.IntVal {
			errs = append(errs, field.Invalid(end, *p.EndPort, "must be greater than or equal to `port`"))
		}
		errs = append(errs, validation.PortNumber(end, *p.EndPort)...)
	}
	return errs
}

// validatePolicyPeer takes pods, namespaces, pods in namespaces, or an address range.
func validatePolicyPeer(path *field.Path, p *networkingv1.NetworkPolicyPeer, known []string) field.ErrorList {
	var errs field.ErrorList
	if p.PodSelector != nil {
		errs = append(errs, validation.LabelSelector(path.Child("podSelector"), p.PodSelector)...)
	}
	if p.NamespaceSelector != nil {
		errs = append(errs, validation.LabelSelector(path.Child("namespaceSelector"), p.NamespaceSelector)...)
	}
	if p.IPBlock != nil {
		errs = append(errs, validateIPBlock(path.Child("ipBlock"), p.IPBlock, known)...)
	}
	selected := p.PodSelector != nil || p.NamespaceSelector != nil
	switch {
	case !selected && p.IPBlock == nil:
		errs = append(errs, field.Required(path, "must specify a peer"))
	case selected && p.IPBlock != nil:
		errs = append(errs, field.Forbidden(path, "may not specify both ipBlock and another peer"))
	}
	return errs
}

// validateIPBlock checks a range and what is taken out of it, which has to be less than all of it.
func validateIPBlock(path *field.Path, b *networkingv1.IPBlock, known []string) field.ErrorList {
	if b.CIDR == "" {
		return field.ErrorList{field.Required(path.Child("cidr"), "")}
	}
	errs := utilvalidation.IsValidCIDRForLegacyField(path.Child("cidr"), b.CIDR, true, known)
	_, whole, err := netutils.ParseCIDRSloppy(b.CIDR)
	if err != nil {
		return errs
	}
	length, _ := whole.Mask.Size()
	for i, value := range b.Except {
		at := path.Child("except").Index(i)
		errs = append(errs, utilvalidation.IsValidCIDRForLegacyField(at, value, true, known)...)
		_, except, err := netutils.ParseCIDRSloppy(value)
		if err != nil {
			continue
		}
		if part, _ := except.Mask.Size(); !whole.Contains(except.IP) || part <= length {
			errs = append(errs, field.Invalid(at, value, "must be a strict subset of `cidr`"))
		}
	}
	return errs
}
