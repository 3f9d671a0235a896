package core

import (
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// prepareService keeps what was given out before where the client left it away (as a manifest that is applied again does), makes clusterIP
// and clusterIPs agree, and drops what a service of its new type does not have.
func prepareService(s, old *corev1.Service) {
	if old == nil {
		if s.Spec.ClusterIP != "" && len(s.Spec.ClusterIPs) == 0 {
			s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
		}
		return
	}
	keepGiven(&s.Spec, &old.Spec)
	agreeClusterIPs(&s.Spec, &old.Spec)
	dropOfOtherType(s, old)
}

func keepGiven(spec, old *corev1.ServiceSpec) {
	if spec.Type != corev1.ServiceTypeExternalName && old.Type != corev1.ServiceTypeExternalName {
		if spec.ClusterIP == "" {
			spec.ClusterIP = old.ClusterIP
		}
		if len(spec.ClusterIPs) == 0 {
			spec.ClusterIPs = slices.Clone(old.ClusterIPs)
		}
	}
	if DrawsNodePorts(spec) && DrawsNodePorts(old) {
		keepNodePorts(spec, old)
	}
	if NeedsHealthCheck(spec) && NeedsHealthCheck(old) && spec.HealthCheckNodePort == 0 {
		spec.HealthCheckNodePort = old.HealthCheckNodePort
	}
}

// keepNodePorts gives ports that have no node port the one that a port of their name had, unless another one has asked for it.
func keepNodePorts(spec, old *corev1.ServiceSpec) {
	used, had := map[int32]bool{}, map[string]int32{}
	for _, p := range spec.Ports {
		used[p.NodePort] = p.NodePort != 0
	}
	for _, p := range old.Ports {
		had[p.Name] = p.NodePort
	}
	for i := range spec.Ports {
		if p := &spec.Ports[i]; p.NodePort == 0 && !used[had[p.Name]] {
			p.NodePort = had[p.Name]
		}
	}
}

// agreeClusterIPs follows a client that changed one of the two fields and knows nothing of the other.
func agreeClusterIPs(spec, old *corev1.ServiceSpec) {
	if len(spec.ClusterIPs) == 0 && spec.ClusterIP == old.ClusterIP {
		spec.ClusterIPs = slices.Clone(old.ClusterIPs)
	}
	if spec.ClusterIP == old.ClusterIP || !slices.Equal(spec.ClusterIPs, old.ClusterIPs) {
		return
	}
	if spec.ClusterIP == "" {
		spec.ClusterIPs = nil
	} else {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
}

// dropOfOtherType drops what the old type had and the new one has not, where the client sent it back unchanged.
func dropOfOtherType(s, old *corev1.Service) {
	is, was := &s.Spec, &old.Spec
	if is.Type == corev1.ServiceTypeExternalName && was.Type != corev1.ServiceTypeExternalName {
		if is.ClusterIP == was.ClusterIP && slices.Equal(is.ClusterIPs, was.ClusterIPs) {
			is.ClusterIP, is.ClusterIPs = "", nil
		}
		if reflect.DeepEqual(is.IPFamilies, was.IPFamilies) {
			is.IPFamilies = nil
		}
		if ptr.Equal(is.IPFamilyPolicy, was.IPFamilyPolicy) {
			is.IPFamilyPolicy = nil
		}
	}
	if HasNodePorts(was) && !HasNodePorts(is) && noNewNodePorts(is, was) {
		for i := range is.Ports {
			is.Ports[i].NodePort = 0
		}
	}
	if is.Type != corev1.ServiceTypeLoadBalancer && was.Type == corev1.ServiceTypeLoadBalancer {
		if ptr.Equal(is.AllocateLoadBalancerNodePorts, was.AllocateLoadBalancerNodePorts) {
			is.AllocateLoadBalancerNodePorts = nil
		}
		if ptr.Equal(is.LoadBalancerClass, was.LoadBalancerClass) {
			is.LoadBalancerClass = nil
		}
	}
	if !NeedsHealthCheck(is) && NeedsHealthCheck(was) && is.HealthCheckNodePort == was.HealthCheckNodePort {
		is.HealthCheckNodePort = 0
	}
	if !reachedFromOutside(is) && reachedFromOutside(was) && is.ExternalTrafficPolicy == was.ExternalTrafficPolicy {
		is.ExternalTrafficPolicy = ""
	}
	if is.Type != corev1.ServiceTypeLoadBalancer {
		s.Status.LoadBalancer = corev1.LoadBalancerStatus{}
	}
}

func noNewNodePorts(is, was *corev1.ServiceSpec) bool {
	return !slices.ContainsFunc(is.Ports, func(p corev1.ServicePort) bool {
		return p.NodePort != 0 && !slices.ContainsFunc(was.Ports, func(o corev1.ServicePort) bool { return o.NodePort == p.NodePort })
	})
}

// reachedFromOutside tells services that have an address or a port outside the cluster.
func reachedFromOutside(spec *corev1.ServiceSpec) bool {
	return HasNodePorts(spec) || (spec.Type == corev1.ServiceTypeClusterIP && len(spec.ExternalIPs) > 0)
}

// HasNodePorts tells services of the types that may have ports on the nodes.
func HasNodePorts(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeNodePort || spec.Type == corev1.ServiceTypeLoadBalancer
}

// DrawsNodePorts tells those whose ports are each given one: a load balancer may do without.
func DrawsNodePorts(spec *corev1.ServiceSpec) bool {
	return HasNodePorts(spec) && (spec.Type == corev1.ServiceTypeNodePort || ptr.Deref(spec.AllocateLoadBalancerNodePorts, true))
}

// NeedsHealthCheck tells services whose load balancer asks each node whether it has a backend.
func NeedsHealthCheck(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeLoadBalancer &&
		spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}
