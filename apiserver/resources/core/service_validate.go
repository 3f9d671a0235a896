package core

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/validation"
)

// validateService checks a service by itself (pkg/apis/core/validation/validation.go in upstream). What depends on the cluster, families
// and ranges, is checked where addresses and ports are given out, in package admission.
func validateService(s, old *corev1.Service) field.ErrorList {
	path, spec := field.NewPath("spec"), &s.Spec
	errs := validateTopologyAnnotations(s.Annotations)
	errs = append(errs, validateServiceType(path, spec)...)
	names := validation.Unique{}
	for i := range spec.Ports {
		errs = append(errs, validateServicePort(path.Child("ports").Index(i), &spec.Ports[i], len(spec.Ports) > 1, names)...)
	}
	if len(spec.Ports) == 0 && !headless(spec) && spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(path.Child("ports"), ""))
	}
	errs = append(errs, validation.Labels(path.Child("selector"), spec.Selector)...)
	errs = append(errs, validateSessionAffinity(path, spec)...)
	errs = append(errs, ValidateClusterIPs(s, old)...)
	var before []string
	if old != nil {
		before = old.Spec.ExternalIPs
	}
	for i, ip := range spec.ExternalIPs {
		at := path.Child("externalIPs").Index(i)
		if wrong := utilvalidation.IsValidIPForLegacyField(at, ip, true, before); len(wrong) > 0 {
			errs = append(errs, wrong...)
		} else {
			errs = append(errs, validation.NonSpecialIP(at, ip)...)
		}
	}
	errs = append(errs, validateNodePorts(path, spec)...)
	errs = append(errs, validateTrafficPolicies(path, spec)...)
	errs = append(errs, validateLoadBalancerFields(path, s, old)...)
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

// validateNodePorts checks that no two ports are alike, nor two node ports.
func validateNodePorts(path *field.Path, spec *corev1.ServiceSpec) field.ErrorList {
	type key struct {
		protocol corev1.Protocol
		port     int32
	}
	var errs field.ErrorList
	ports, nodePorts := map[key]bool{}, map[key]bool{}
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
	case NeedsHealthCheck(spec) && port == 0:
		errs = append(errs, field.Required(health, ""))
	case NeedsHealthCheck(spec):
		errs = append(errs, validation.PortNumber(health, port)...)
	case port != 0:
		errs = append(errs, field.Invalid(health, port,
			"may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
	}
	internal := path.Child("internalTrafficPolicy")
	if spec.InternalTrafficPolicy != nil {
		errs = append(errs, validation.Supported(internal, *spec.InternalTrafficPolicy,
			corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal)...)
	} else if spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(internal, ""))
	}
	if d := spec.TrafficDistribution; d != nil {
		errs = append(errs, validation.Supported(path.Child("trafficDistribution"), *d, corev1.ServiceTrafficDistributionPreferClose,
			corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode)...)
	}
	return errs
}

const balancersOnly = "may only be used when `type` is 'LoadBalancer'"

func validateLoadBalancerFields(path *field.Path, s, old *corev1.Service) field.ErrorList {
	spec := &s.Spec
	balanced := spec.Type == corev1.ServiceTypeLoadBalancer
	errs := validateSourceRanges(path.Child("LoadBalancerSourceRanges"), s, old)
	switch allocate := spec.AllocateLoadBalancerNodePorts; {
	case allocate != nil && !balanced:
		errs = append(errs, field.Forbidden(path.Child("allocateLoadBalancerNodePorts"), balancersOnly))
	case allocate == nil && balanced: // upstream leaves the spec out of this path
		errs = append(errs, field.Required(field.NewPath("allocateLoadBalancerNodePorts"), ""))
	}
	if class := spec.LoadBalancerClass; class != nil && balanced {
		errs = append(errs, validation.QualifiedName(path.Child("loadBalancerClass"), *class)...)
	} else if class != nil {
		errs = append(errs, field.Forbidden(path.Child("loadBalancerClass"), balancersOnly))
	}
	return errs
}

// validateSourceRanges checks from where a load balancer may be used, in the field or, where that is empty, in the annotation of old. Blanks
// around a range are part of the API.
func validateSourceRanges(path *field.Path, s, old *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	balanced := s.Spec.Type == corev1.ServiceTypeLoadBalancer
	if ranges := s.Spec.LoadBalancerSourceRanges; len(ranges) > 0 {
		if !balanced {
			errs = append(errs, field.Forbidden(path, balancersOnly))
		}
		var before []string
		if old != nil {
			for _, cidr := range old.Spec.LoadBalancerSourceRanges {
				before = append(before, strings.TrimSpace(cidr))
			}
		}
		for i, cidr := range ranges {
			errs = append(errs, utilvalidation.IsValidCIDRForLegacyField(path.Index(i), strings.TrimSpace(cidr), true, before)...)
		}
		return errs
	}
	text, ok := s.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey]
	if !ok {
		return nil
	}
	path = field.NewPath("metadata", "annotations").Key(corev1.AnnotationLoadBalancerSourceRangesKey)
	if !balanced {
		errs = append(errs, field.Forbidden(path, balancersOnly))
	}
	unchanged := old != nil && old.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey] == text
	if text = strings.TrimSpace(text); text == "" || unchanged {
		return errs
	}
	for _, cidr := range strings.Split(text, ",") {
		errs = append(errs, utilvalidation.IsValidCIDRForLegacyField(path, strings.TrimSpace(cidr), true, nil)...)
	}
	return errs
}

// validateTopologyAnnotations refuses two annotations for one thing that do not agree.
func validateTopologyAnnotations(annotations map[string]string) field.ErrorList {
	hints, both := annotations[corev1.DeprecatedAnnotationTopologyAwareHints]
	mode, ok := annotations[corev1.AnnotationTopologyMode]
	if !both || !ok || hints == mode {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "annotations").Key(corev1.AnnotationTopologyMode), mode,
		fmt.Sprintf("must match annotations[%s] when both are specified", corev1.DeprecatedAnnotationTopologyAwareHints))}
}

// validateServiceUpdate keeps what others rely on once it was given: the addresses above all.
func validateServiceUpdate(path *field.Path, spec, old *corev1.ServiceSpec) field.ErrorList {
	errs := validateClusterIPsUpdate(path, spec, old)
	errs = append(errs, validateFamiliesUpdate(path, spec, old)...)
	if NeedsHealthCheck(spec) && NeedsHealthCheck(old) && spec.HealthCheckNodePort != old.HealthCheckNodePort {
		errs = append(errs, field.Forbidden(path.Child("healthCheckNodePort"), "field is immutable"))
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer && old.Type == corev1.ServiceTypeLoadBalancer &&
		!ptr.Equal(spec.LoadBalancerClass, old.LoadBalancerClass) {
		errs = append(errs, field.Invalid(path.Child("loadBalancerClass"), spec.LoadBalancerClass, "may not change once set"))
	}
	return errs
}

// validateServiceStatus checks where a load balancer says that it is.
func validateServiceStatus(s, old *corev1.Service) field.ErrorList {
	path := field.NewPath("status", "loadBalancer", "ingress")
	if len(s.Status.LoadBalancer.Ingress) > 0 && s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return field.ErrorList{field.Forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")}
	}
	var before []string
	if old != nil {
		for _, ingress := range old.Status.LoadBalancer.Ingress {
			before = append(before, ingress.IP)
		}
	}
	var errs field.ErrorList
	for i, ingress := range s.Status.LoadBalancer.Ingress {
		at := path.Index(i)
		if ingress.IP != "" {
			errs = append(errs, utilvalidation.IsValidIPForLegacyField(at.Child("ip"), ingress.IP, true, before)...)
		}
		switch mode := ingress.IPMode; {
		case mode == nil && ingress.IP != "":
			errs = append(errs, field.Required(at.Child("ipMode"), "must be specified when `ip` is set"))
		case mode != nil && ingress.IP == "":
			errs = append(errs, field.Forbidden(at.Child("ipMode"), "may not be specified when `ip` is not set"))
		case mode != nil:
			errs = append(errs, validation.Supported(at.Child("ipMode"), *mode, corev1.LoadBalancerIPModeProxy, corev1.LoadBalancerIPModeVIP)...)
		}
		if ingress.Hostname == "" {
			continue
		}
		errs = append(errs, validation.DNSSubdomain(at.Child("hostname"), ingress.Hostname)...)
		if netutils.ParseIPSloppy(ingress.Hostname) != nil {
			errs = append(errs, field.Invalid(at.Child("hostname"), ingress.Hostname, "must be a DNS name, not an IP address"))
		}
	}
	return errs
}
