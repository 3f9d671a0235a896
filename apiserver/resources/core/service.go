package core

import (
	"fmt"
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
			resources.Status(func(s, body *corev1.Service) { s.Status = body.Status }, validateServiceStatus),
		},
		Default:  resources.Each(defaultService),
		Prepare:  resources.Pair(prepareService),
		Validate: resources.Check(validateService),
		Warn:     resources.Warn(func(s, _ *corev1.Service) []string { return warnService(s) }),
		Name:     apivalidation.NameIsDNS1035Label,
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

// reachedFromOutside tells services that have an address or a port outside the cluster.
func reachedFromOutside(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeLoadBalancer || spec.Type == corev1.ServiceTypeNodePort ||
		(spec.Type == corev1.ServiceTypeClusterIP && len(spec.ExternalIPs) > 0)
}

// needsHealthCheck tells services whose load balancer asks each node whether it has a backend.
func needsHealthCheck(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeLoadBalancer &&
		spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}

// prepareService makes clusterIP and clusterIPs agree, keeps what was given out before where the client left it away
// (as a manifest that is applied again does), and drops what a service of its new type does not have.
func prepareService(s, old *corev1.Service) {
	if old == nil {
		if s.Spec.ClusterIP != "" && len(s.Spec.ClusterIPs) == 0 {
			s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
		}
		return
	}
	agreeClusterIPs(&s.Spec, &old.Spec)
	keepGiven(&s.Spec, &old.Spec)
	dropOfOtherType(&s.Spec, &old.Spec)
}

// agreeClusterIPs follows a client that changed one of the two fields and knows nothing of the other.
func agreeClusterIPs(spec, old *corev1.ServiceSpec) {
	sameIP, sameIPs := spec.ClusterIP == old.ClusterIP, slices.Equal(spec.ClusterIPs, old.ClusterIPs)
	switch {
	case spec.ClusterIP == "" && old.ClusterIP != "" && sameIPs:
		spec.ClusterIPs = nil
	case spec.ClusterIP != "" && !sameIP && (sameIPs || len(spec.ClusterIPs) == 0):
		spec.ClusterIPs = []string{spec.ClusterIP}
	case spec.ClusterIP != "" && len(spec.ClusterIPs) == 0:
		spec.ClusterIPs = old.ClusterIPs
	}
}

func keepGiven(spec, old *corev1.ServiceSpec) {
	hasIP := func(s *corev1.ServiceSpec) bool { return s.Type != corev1.ServiceTypeExternalName }
	if hasIP(spec) && hasIP(old) && spec.ClusterIP == "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIP, spec.ClusterIPs = old.ClusterIP, old.ClusterIPs
	}
	if hasIP(spec) && hasIP(old) {
		if spec.IPFamilyPolicy == nil {
			spec.IPFamilyPolicy = old.IPFamilyPolicy
		}
		if len(spec.IPFamilies) == 0 {
			spec.IPFamilies = old.IPFamilies
		}
	}
	hasPorts := func(s *corev1.ServiceSpec) bool {
		return s.Type == corev1.ServiceTypeNodePort || s.Type == corev1.ServiceTypeLoadBalancer
	}
	if hasPorts(spec) && hasPorts(old) {
		for i := range spec.Ports {
			for _, o := range old.Ports {
				if p := &spec.Ports[i]; p.NodePort == 0 && p.Protocol == o.Protocol && p.Port == o.Port && !uses(spec, o) {
					p.NodePort = o.NodePort
				}
			}
		}
	}
	if needsHealthCheck(spec) && needsHealthCheck(old) && spec.HealthCheckNodePort == 0 {
		spec.HealthCheckNodePort = old.HealthCheckNodePort
	}
}

// uses reports whether a port of the service has asked for the node port of o.
func uses(spec *corev1.ServiceSpec, o corev1.ServicePort) bool {
	return slices.ContainsFunc(spec.Ports, func(p corev1.ServicePort) bool {
		return p.NodePort != 0 && p.NodePort == o.NodePort && p.Protocol == o.Protocol
	})
}

// dropOfOtherType drops what the old type had and the new one has not, where the client sent it back unchanged.
func dropOfOtherType(spec, old *corev1.ServiceSpec) {
	if spec.Type == corev1.ServiceTypeExternalName && old.Type != corev1.ServiceTypeExternalName {
		if slices.Equal(spec.ClusterIPs, old.ClusterIPs) {
			spec.ClusterIP, spec.ClusterIPs = "", nil
		}
		if slices.Equal(spec.IPFamilies, old.IPFamilies) {
			spec.IPFamilies = nil
		}
		if ptr.Equal(spec.IPFamilyPolicy, old.IPFamilyPolicy) {
			spec.IPFamilyPolicy = nil
		}
	}
	if spec.Type != corev1.ServiceTypeNodePort && spec.Type != corev1.ServiceTypeLoadBalancer {
		for i := range spec.Ports {
			if uses(old, spec.Ports[i]) {
				spec.Ports[i].NodePort = 0
			}
		}
	}
	if spec.Type != corev1.ServiceTypeLoadBalancer && old.Type == corev1.ServiceTypeLoadBalancer {
		if ptr.Equal(spec.AllocateLoadBalancerNodePorts, old.AllocateLoadBalancerNodePorts) {
			spec.AllocateLoadBalancerNodePorts = nil
		}
		if ptr.Equal(spec.LoadBalancerClass, old.LoadBalancerClass) {
			spec.LoadBalancerClass = nil
		}
	}
	if !needsHealthCheck(spec) && needsHealthCheck(old) && spec.HealthCheckNodePort == old.HealthCheckNodePort {
		spec.HealthCheckNodePort = 0
	}
	if !reachedFromOutside(spec) && reachedFromOutside(old) && spec.ExternalTrafficPolicy == old.ExternalTrafficPolicy {
		spec.ExternalTrafficPolicy = ""
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
