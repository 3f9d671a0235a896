package core

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

// services is the row of services. Their addresses and node ports are given out by admission, after Prepare and before
// Validate, and are held by Claims. The checks stand in service_validate.go.
func services() *resources.Resource {
	return &resources.Resource{
		Kind:           corev1.SchemeGroupVersion.WithKind("Service"),
		Plural:         "services",
		CreateOnUpdate: true,
		ShortNames:     []string{"svc"},
		Categories:     []string{"all"},
		New:            func() resources.Object { return &corev1.Service{} },
		NewList:        func() runtime.Object { return &corev1.ServiceList{} },
		ReturnDeleted:  true,
		Subresources: []resources.Subresource{
			resources.Proxied("ServiceProxyOptions"),
			resources.Status(func(s, body *corev1.Service) { s.Status = body.Status }, validateServiceStatus).
				WithWarn(resources.Warn(func(s, _ *corev1.Service) []string { return warnServiceStatus(s) })),
		},
		Default:  resources.Each(defaultService),
		Prepare:  resources.Pair(prepareService),
		Validate: resources.Check(validateService),
		Warn:     resources.Warn(func(s, _ *corev1.Service) []string { return warnService(s) }),
		Name:     apivalidation.NameIsDNSLabel,
		NameOnce: true,
		Fields: resources.Of(func(s *corev1.Service) fields.Set {
			return fields.Set{"spec.clusterIP": s.Spec.ClusterIP, "spec.type": string(s.Spec.Type)}
		}),
		Claims:  resources.Of(serviceClaims),
		Taken:   takenFromService,
		Columns: serviceColumns(),
		Cells:   resources.Cells(serviceCells),
	}
}

func defaultService(s *corev1.Service) {
	spec := &s.Spec
	if spec.Type == "" {
		spec.Type = corev1.ServiceTypeClusterIP
	}
	if spec.SessionAffinity == "" {
		spec.SessionAffinity = corev1.ServiceAffinityNone
	}
	switch c := spec.SessionAffinityConfig; {
	case spec.SessionAffinity == corev1.ServiceAffinityNone:
		spec.SessionAffinityConfig = nil
	case c == nil || c.ClientIP == nil || c.ClientIP.TimeoutSeconds == nil:
		spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{
			TimeoutSeconds: ptr.To(corev1.DefaultClientIPServiceAffinitySeconds),
		}}
	}
	for i := range spec.Ports {
		p := &spec.Ports[i]
		if p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
		if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	if spec.ExternalTrafficPolicy == "" && reachedFromOutside(spec) {
		spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	}
	if spec.InternalTrafficPolicy == nil && spec.Type != corev1.ServiceTypeExternalName {
		spec.InternalTrafficPolicy = ptr.To(corev1.ServiceInternalTrafficPolicyCluster)
	}
	if spec.Type != corev1.ServiceTypeLoadBalancer {
		return
	}
	if spec.AllocateLoadBalancerNodePorts == nil {
		spec.AllocateLoadBalancerNodePorts = ptr.To(true)
	}
	for i := range s.Status.LoadBalancer.Ingress {
		if ingress := &s.Status.LoadBalancer.Ingress[i]; ingress.IP != "" && ingress.IPMode == nil {
			ingress.IPMode = ptr.To(corev1.LoadBalancerIPModeVIP)
		}
	}
}

func serviceColumns() []metav1.TableColumnDefinition {
	spec := corev1.ServiceSpec{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Type", "string", 0, spec["type"]),
		printers.Column("Cluster-IP", "string", 0, spec["clusterIP"]),
		printers.Column("External-IP", "string", 0, spec["externalIPs"]),
		printers.Column("Port(s)", "string", 0, spec["ports"]),
		printers.AgeColumn(),
		printers.Column("Selector", "string", 1, spec["selector"]),
	}
}

func serviceCells(s *corev1.Service, now time.Time) []any {
	ip := printers.None
	if len(s.Spec.ClusterIPs) > 0 {
		ip = s.Spec.ClusterIPs[0]
	}
	var ports []string
	for _, p := range s.Spec.Ports {
		if p.NodePort > 0 {
			ports = append(ports, fmt.Sprintf("%d:%d/%s", p.Port, p.NodePort, p.Protocol))
		} else {
			ports = append(ports, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
		}
	}
	return []any{
		s.Name, string(s.Spec.Type), ip, externalIP(s), printers.OrNone(strings.Join(ports, ",")), printers.Age(s.CreationTimestamp, now),
		labels.FormatLabels(s.Spec.Selector),
	}
}

// externalIP is where the service is reached from outside. Upstream cuts a load balancer's addresses at 16 characters
// unless -o wide asked for more; here they are always whole.
func externalIP(s *corev1.Service) string {
	switch s.Spec.Type {
	case corev1.ServiceTypeExternalName:
		return s.Spec.ExternalName
	case corev1.ServiceTypeLoadBalancer:
		var addresses []string
		for _, ingress := range s.Status.LoadBalancer.Ingress {
			if ingress.IP != "" {
				addresses = append(addresses, ingress.IP)
			} else if ingress.Hostname != "" {
				addresses = append(addresses, ingress.Hostname)
			}
		}
		slices.Sort(addresses)
		addresses = append(slices.Compact(addresses), s.Spec.ExternalIPs...)
		if len(addresses) == 0 {
			return "<pending>"
		}
		return strings.Join(addresses, ",")
	}
	if s.Spec.Type != corev1.ServiceTypeClusterIP && s.Spec.Type != corev1.ServiceTypeNodePort {
		return printers.Unknown
	}
	if len(s.Spec.ExternalIPs) == 0 {
		return printers.None
	}
	return strings.Join(s.Spec.ExternalIPs, ",")
}

// serviceClaims are the addresses and node ports that no other service may have.
func serviceClaims(s *corev1.Service) []string {
	var claims []string
	for _, ip := range s.Spec.ClusterIPs {
		if ip != corev1.ClusterIPNone && ip != "" {
			claims = append(claims, "clusterip/"+ip)
		}
	}
	for _, p := range s.Spec.Ports {
		if p.NodePort != 0 {
			claims = append(claims, fmt.Sprintf("nodeport/%s/%d", p.Protocol, p.NodePort))
		}
	}
	if s.Spec.HealthCheckNodePort != 0 {
		claims = append(claims, fmt.Sprintf("nodeport/TCP/%d", s.Spec.HealthCheckNodePort))
	}
	return claims
}

// takenFromService words the refusal of an address or a port that the service asks for and another one has.
func takenFromService(obj resources.Object, claim string) *field.Error {
	kind, value, _ := strings.Cut(claim, "/")
	if kind == "clusterip" {
		return field.Invalid(field.NewPath("spec", "clusterIPs"), []string{value},
			fmt.Sprintf("failed to allocate IP %s: provided IP is already allocated", value))
	}
	return field.Invalid(nodePortPath(obj.(*corev1.Service), value), intstr.Parse(path.Base(value)).IntVal, "provided port is already allocated")
}

// nodePortPath is where the service names the node port, which is given as TCP/30000.
func nodePortPath(s *corev1.Service, claim string) *field.Path {
	spec := field.NewPath("spec")
	for i, p := range s.Spec.Ports {
		if claim == fmt.Sprintf("%s/%d", p.Protocol, p.NodePort) {
			return spec.Child("ports").Index(i).Child("nodePort")
		}
	}
	return spec.Child("healthCheckNodePort")
}

// warnService says what is legal for a service, and ignored, deprecated or written in a way that not everybody reads alike
// (upstream's pkg/api/service/warnings.go). Whether this cluster listens on external addresses is admission's to say.
func warnService(s *corev1.Service) []string {
	path, spec := field.NewPath("spec"), &s.Spec
	var out []string
	if _, ok := s.Annotations[corev1.DeprecatedAnnotationTopologyAwareHints]; ok {
		out = append(out, fmt.Sprintf("annotation %s is deprecated, please use %s instead",
			corev1.DeprecatedAnnotationTopologyAwareHints, corev1.AnnotationTopologyMode))
	}
	if !headless(spec) {
		for i, ip := range spec.ClusterIPs {
			out = append(out, utilvalidation.GetWarningsForIP(path.Child("clusterIPs").Index(i), ip)...)
		}
	} else if spec.Type == corev1.ServiceTypeClusterIP {
		out = append(out, warnHeadless(spec)...)
	}
	for i, ip := range spec.ExternalIPs {
		out = append(out, utilvalidation.GetWarningsForIP(path.Child("externalIPs").Index(i), ip)...)
	}
	if HasExternalIPs(s) {
		out = append(out, "spec.externalIPs is deprecated and may no longer be implemented in some clusters")
	}
	if spec.LoadBalancerIP != "" {
		out = append(out, utilvalidation.GetWarningsForIP(path.Child("loadBalancerIP"), spec.LoadBalancerIP)...)
	}
	for i, cidr := range spec.LoadBalancerSourceRanges {
		out = append(out, utilvalidation.GetWarningsForCIDR(path.Child("loadBalancerSourceRanges").Index(i), cidr)...)
	}
	if spec.Type == corev1.ServiceTypeExternalName && len(spec.ExternalIPs) > 0 {
		out = append(out, fmt.Sprintf("spec.externalIPs is ignored when spec.type is %q", spec.Type))
	}
	if spec.Type != corev1.ServiceTypeExternalName && spec.ExternalName != "" {
		out = append(out, fmt.Sprintf("spec.externalName is ignored when spec.type is not %q", corev1.ServiceTypeExternalName))
	}
	if d := spec.TrafficDistribution; d != nil && *d == corev1.ServiceTrafficDistributionPreferClose {
		out = append(out, fmt.Sprintf("spec.trafficDistribution: %q is deprecated; use %q",
			*d, corev1.ServiceTrafficDistributionPreferSameZone))
	}
	return out
}

// warnServiceStatus does the same for the addresses of a load balancer.
func warnServiceStatus(s *corev1.Service) []string {
	var out []string
	for i, ingress := range s.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			out = append(out, utilvalidation.GetWarningsForIP(field.NewPath("status", "loadBalancer", "ingress").Index(i), ingress.IP)...)
		}
	}
	return out
}

func warnHeadless(spec *corev1.ServiceSpec) (out []string) {
	if spec.LoadBalancerIP != "" {
		out = append(out, "spec.loadBalancerIP is ignored for headless services")
	}
	if len(spec.ExternalIPs) > 0 {
		out = append(out, "spec.externalIPs is ignored for headless services")
	}
	if spec.SessionAffinity != corev1.ServiceAffinityNone {
		out = append(out, "spec.SessionAffinity is ignored for headless services")
	}
	return out
}

// HasExternalIPs tells services whose externalIPs mean something: those that have cluster addresses.
func HasExternalIPs(s *corev1.Service) bool {
	return len(s.Spec.ExternalIPs) > 0 && !headless(&s.Spec) && s.Spec.Type != corev1.ServiceTypeExternalName
}
