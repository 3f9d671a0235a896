package core

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// The node ports that may be given out, both ends included: upstream's default range.
const (
	MinNodePort = 30000
	MaxNodePort = 32767
)

// validateService checks a service (pkg/apis/core/validation/validation.go, and pkg/registry/core/service/storage for
// what depends on the cluster: minik's service addresses are IPv4 only).
func validateService(s, old *corev1.Service) field.ErrorList {
	path, spec := field.NewPath("spec"), &s.Spec
	errs := validateServiceType(path, spec)
	names := validation.Unique{}
	for i := range spec.Ports {
		errs = append(errs, validateServicePort(path.Child("ports").Index(i), &spec.Ports[i], len(spec.Ports) > 1, names)...)
	}
	if len(spec.Ports) == 0 && !headless(spec) && spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(path.Child("ports"), ""))
	}
	errs = append(errs, validation.Labels(path.Child("selector"), spec.Selector)...)
	errs = append(errs, validateSessionAffinity(path, spec)...)
	errs = append(errs, validateClusterIPs(path, spec)...)
	for i, ip := range spec.ExternalIPs {
		at := path.Child("externalIPs").Index(i)
		if wrong := utilvalidation.IsValidIP(at, ip); len(wrong) > 0 {
			errs = append(errs, wrong...)
		} else {
			errs = append(errs, validation.NonSpecialIP(at, ip)...)
		}
	}
	errs = append(errs, validateNodePorts(path, spec, old)...)
	errs = append(errs, validateTrafficPolicies(path, spec)...)
	errs = append(errs, validateLoadBalancerFields(path, spec)...)
	if old != nil {
		errs = append(errs, validateServiceUpdate(path, spec, &old.Spec)...)
	}
	return errs
}

func headless(spec *corev1.ServiceSpec) bool {
	return len(spec.ClusterIPs) == 1 && spec.ClusterIPs[0] == corev1.ClusterIPNone
}

// validateServiceType checks what only some types of service may have.
func validateServiceType(path *field.Path, spec *corev1.ServiceSpec) field.ErrorList {
	errs := validation.OneOf(path.Child("type"), spec.Type, corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName,
		corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort)
	switch spec.Type {
	case corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort:
		if headless(spec) {
			errs = append(errs, field.Invalid(path.Child("clusterIPs").Index(0), spec.ClusterIPs[0],
				fmt.Sprintf("may not be set to 'None' for %s services", spec.Type)))
		}
	case corev1.ServiceTypeExternalName:
		const refused = "may not be set for ExternalName services"
		if len(spec.ClusterIPs) > 0 {
			errs = append(errs, field.Forbidden(path.Child("clusterIPs"), refused))
		}
		if len(spec.IPFamilies) > 0 {
			errs = append(errs, field.Forbidden(path.Child("ipFamilies"), refused))
		}
		if spec.IPFamilyPolicy != nil {
			errs = append(errs, field.Forbidden(path.Child("ipFamilyPolicy"), refused))
		}
		if name := strings.TrimSuffix(spec.ExternalName, "."); name == "" {
			errs = append(errs, field.Required(path.Child("externalName"), ""))
		} else {
			errs = append(errs, validation.DNSSubdomain(path.Child("externalName"), name)...)
		}
	}
	return errs
}

func validateServicePort(path *field.Path, p *corev1.ServicePort, named bool, names validation.Unique) field.ErrorList {
	var errs field.ErrorList
	if p.Name == "" && named {
		errs = append(errs, field.Required(path.Child("name"), ""))
	} else if p.Name != "" {
		errs = append(errs, validation.DNSLabel(path.Child("name"), p.Name)...)
		errs = append(errs, names.Add(path.Child("name"), p.Name)...)
	}
	errs = append(errs, validation.PortNumber(path.Child("port"), p.Port)...)
	errs = append(errs, validation.Protocol(path.Child("protocol"), p.Protocol)...)
	errs = append(errs, validation.PortOrName(path.Child("targetPort"), p.TargetPort)...)
	if p.AppProtocol != nil {
		errs = append(errs, validation.QualifiedName(path.Child("appProtocol"), *p.AppProtocol)...)
	}
	return errs
}

func validateSessionAffinity(path *field.Path, spec *corev1.ServiceSpec) field.ErrorList {
	errs := validation.OneOf(path.Child("sessionAffinity"), spec.SessionAffinity,
		corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone)
	config := path.Child("sessionAffinityConfig")
	if spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		if spec.SessionAffinityConfig != nil && spec.SessionAffinity == corev1.ServiceAffinityNone {
			errs = append(errs, field.Forbidden(config, "must not be set when session affinity is None"))
		}
		return errs
	}
	const oneDay = 24 * 60 * 60
	timeout := config.Child("clientIP", "timeoutSeconds")
	if c := spec.SessionAffinityConfig; c == nil || c.ClientIP == nil || c.ClientIP.TimeoutSeconds == nil {
		errs = append(errs, field.Required(timeout, "when session affinity type is ClientIP"))
	} else if seconds := *c.ClientIP.TimeoutSeconds; seconds <= 0 || seconds > oneDay {
		errs = append(errs, field.Invalid(timeout, seconds, fmt.Sprintf("must be greater than 0 and less than %d", oneDay)))
	}
	return errs
}

// validateClusterIPs checks the address: none, "None" for a headless service, or one IPv4 address.
func validateClusterIPs(path *field.Path, spec *corev1.ServiceSpec) field.ErrorList {
	if spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var errs field.ErrorList
	at, ips := path.Child("clusterIPs"), spec.ClusterIPs
	switch {
	case spec.ClusterIP == "" && len(ips) > 0:
		errs = append(errs, field.Forbidden(at, "must be empty when `clusterIP` is not specified"))
	case spec.ClusterIP != "" && len(ips) == 0:
		errs = append(errs, field.Required(at, ""))
	case len(ips) > 0 && ips[0] != spec.ClusterIP:
		errs = append(errs, field.Invalid(at, ips, "first value must match `clusterIP`"))
	}
	if len(ips) > 2 {
		errs = append(errs, field.Invalid(at, ips, "may only hold up to 2 values"))
	}
	for i, ip := range ips {
		switch {
		case ip == corev1.ClusterIPNone && len(ips) > 1:
			errs = append(errs, field.Invalid(at, ips, "`None` must be the first and only value"))
		case ip == corev1.ClusterIPNone:
		default:
			errs = append(errs, utilvalidation.IsValidIP(at.Index(i), ip)...)
		}
	}
	for i, family := range spec.IPFamilies {
		at := path.Child("ipFamilies").Index(i)
		if wrong := validation.OneOf(at, family, corev1.IPv4Protocol, corev1.IPv6Protocol); len(wrong) > 0 {
			errs = append(errs, wrong...)
		} else if family == corev1.IPv6Protocol {
			errs = append(errs, field.Invalid(at, family, "not configured on this cluster"))
		}
	}
	if policy := spec.IPFamilyPolicy; policy != nil {
		at := path.Child("ipFamilyPolicy")
		errs = append(errs, validation.OneOf(at, *policy, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack,
			corev1.IPFamilyPolicySingleStack)...)
		if *policy == corev1.IPFamilyPolicyRequireDualStack {
			errs = append(errs, field.Invalid(at, *policy, "this cluster is not configured for dual-stack services"))
		}
	}
	return errs
}

// validateNodePorts checks the ports: no two alike, and node ports from their range. A node port that the service had
// before is not held to the range again.
func validateNodePorts(path *field.Path, spec *corev1.ServiceSpec, old *corev1.Service) field.ErrorList {
	type key struct {
		protocol corev1.Protocol
		port     int32
	}
	var errs field.ErrorList
	ports, nodePorts, had := map[key]bool{}, map[key]bool{}, map[int32]bool{}
	if old != nil {
		for _, p := range old.Spec.Ports {
			had[p.NodePort] = true
		}
	}
	for i, p := range spec.Ports {
		at := path.Child("ports").Index(i)
		if k := (key{p.Protocol, p.Port}); ports[k] {
			errs = append(errs, field.Duplicate(at, corev1.ServicePort{Protocol: p.Protocol, Port: p.Port}))
		} else {
			ports[k] = true
		}
		if p.NodePort == 0 {
			continue
		}
		at = at.Child("nodePort")
		if spec.Type == corev1.ServiceTypeClusterIP {
			errs = append(errs, field.Forbidden(at, "may not be used when `type` is 'ClusterIP'"))
		}
		if k := (key{p.Protocol, p.NodePort}); nodePorts[k] {
			errs = append(errs, field.Duplicate(at, p.NodePort))
		} else {
			nodePorts[k] = true
		}
		if !had[p.NodePort] && (p.NodePort < MinNodePort || p.NodePort > MaxNodePort) {
			errs = append(errs, field.Invalid(at, p.NodePort, fmt.Sprintf("provided port is not in the valid range. "+
				"The range of valid ports is %d-%d", MinNodePort, MaxNodePort)))
		}
	}
	return errs
}

func validateTrafficPolicies(path *field.Path, spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	external := path.Child("externalTrafficPolicy")
	if reachedFromOutside(spec) {
		errs = append(errs, validation.OneOf(external, spec.ExternalTrafficPolicy,
			corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal)...)
	} else if spec.ExternalTrafficPolicy != "" {
		errs = append(errs, field.Invalid(external, spec.ExternalTrafficPolicy,
			"may only be set for externally-accessible services"))
	}
	health := path.Child("healthCheckNodePort")
	switch port := spec.HealthCheckNodePort; {
	case needsHealthCheck(spec) && port == 0:
		errs = append(errs, field.Required(health, ""))
	case needsHealthCheck(spec):
		errs = append(errs, validation.PortNumber(health, port)...)
	case port != 0:
		errs = append(errs, field.Invalid(health, port,
			"may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
	}
	internal := path.Child("internalTrafficPolicy")
	if spec.InternalTrafficPolicy != nil {
		errs = append(errs, validation.OneOf(internal, *spec.InternalTrafficPolicy,
			corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal)...)
	} else if spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(internal, ""))
	}
	if d := spec.TrafficDistribution; d != nil {
		errs = append(errs, validation.OneOf(path.Child("trafficDistribution"), *d, corev1.ServiceTrafficDistributionPreferClose,
			corev1.ServiceTrafficDistributionPreferSameNode, corev1.ServiceTrafficDistributionPreferSameZone)...)
	}
	return errs
}

func validateLoadBalancerFields(path *field.Path, spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	const only = "may only be used when `type` is 'LoadBalancer'"
	balanced := spec.Type == corev1.ServiceTypeLoadBalancer
	ranges := path.Child("LoadBalancerSourceRanges")
	if len(spec.LoadBalancerSourceRanges) > 0 && !balanced {
		errs = append(errs, field.Forbidden(ranges, only))
	}
	for i, cidr := range spec.LoadBalancerSourceRanges {
		errs = append(errs, utilvalidation.IsValidCIDR(ranges.Index(i), strings.TrimSpace(cidr))...)
	}
	if spec.AllocateLoadBalancerNodePorts != nil && !balanced {
		errs = append(errs, field.Forbidden(path.Child("allocateLoadBalancerNodePorts"), only))
	}
	if spec.LoadBalancerClass != nil {
		if !balanced {
			errs = append(errs, field.Forbidden(path.Child("loadBalancerClass"), only))
		}
		errs = append(errs, validation.QualifiedName(path.Child("loadBalancerClass"), *spec.LoadBalancerClass)...)
	}
	return errs
}

// validateServiceUpdate keeps what others rely on once it was given: the address above all.
func validateServiceUpdate(path *field.Path, spec, old *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	if needsHealthCheck(spec) && needsHealthCheck(old) && spec.HealthCheckNodePort != old.HealthCheckNodePort {
		errs = append(errs, field.Forbidden(path.Child("healthCheckNodePort"), "field is immutable"))
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer && old.Type == corev1.ServiceTypeLoadBalancer {
		errs = append(errs, validation.Immutable(path.Child("loadBalancerClass"), spec.LoadBalancerClass, old.LoadBalancerClass)...)
	}
	if spec.Type == corev1.ServiceTypeExternalName || old.Type == corev1.ServiceTypeExternalName ||
		len(old.ClusterIPs) == 0 {
		return errs
	}
	at := path.Child("clusterIPs").Index(0)
	switch {
	case len(spec.ClusterIPs) == 0:
		errs = append(errs, field.Invalid(at, spec.ClusterIPs, "primary clusterIP can not be unset"))
	case spec.ClusterIPs[0] != old.ClusterIPs[0]:
		errs = append(errs, field.Invalid(at, spec.ClusterIPs, "may not change once set"))
	}
	return errs
}

func validateServiceStatus(s, _ *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("status", "loadBalancer", "ingress")
	if len(s.Status.LoadBalancer.Ingress) > 0 && s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		errs = append(errs, field.Forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'"))
	}
	for i, ingress := range s.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			errs = append(errs, utilvalidation.IsValidIP(path.Index(i).Child("ip"), ingress.IP)...)
		}
		if ingress.Hostname != "" {
			errs = append(errs, validation.DNSSubdomain(path.Index(i).Child("hostname"), ingress.Hostname)...)
		}
	}
	return errs
}
