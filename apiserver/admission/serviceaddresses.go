package admission

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
)

// The range that node ports are drawn from; upstream's default.
const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

// staticBand is how many addresses at the bottom of the range are left to those who ask for a certain one, as long as
// there are others (upstream: a sixteenth of the range, at least 16 and at most 256).
const staticBand = 256

// serviceAddresses gives services their cluster IP and node ports.
type serviceAddresses struct{ Options }

func (s serviceAddresses) allocate(_ context.Context, r *Request) error {
	if r.Row.Plural != "services" || r.Row.Kind.Group != "" || r.Verb == "delete" || r.Subresource != "" {
		return nil
	}
	service := r.Object.(*corev1.Service)
	var old *corev1.Service
	if r.Old != nil {
		old = r.Old.(*corev1.Service)
		keepAddresses(service, old)
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	taken := s.taken()
	if err := s.clusterIP(service, taken); err != nil {
		return err
	}
	if len(service.Spec.IPFamilies) == 0 { // what the client asked for, validation judges
		service.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	}
	if service.Spec.IPFamilyPolicy == nil {
		service.Spec.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicySingleStack)
	}
	if err := s.nodePorts(service, taken); err != nil {
		return err
	}
	return s.healthCheckPort(service, taken)
}

// keepAddresses lets an update that does not mention the addresses keep them (`kubectl replace`), as upstream does.
func keepAddresses(service, old *corev1.Service) {
	hadIP := old.Spec.Type != corev1.ServiceTypeExternalName
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		if hadIP && service.Spec.ClusterIP == old.Spec.ClusterIP {
			service.Spec.ClusterIP, service.Spec.ClusterIPs = "", nil
			service.Spec.IPFamilies, service.Spec.IPFamilyPolicy = nil, nil
		}
	} else if hadIP && service.Spec.ClusterIP == "" && old.Spec.ClusterIP != "" {
		service.Spec.ClusterIP, service.Spec.ClusterIPs = old.Spec.ClusterIP, old.Spec.ClusterIPs
	}
	if !wantsNodePorts(service) {
		for i := range service.Spec.Ports { // a service that stops being reachable on the nodes gives its ports back
			if wantsNodePorts(old) && i < len(old.Spec.Ports) && service.Spec.Ports[i].NodePort == old.Spec.Ports[i].NodePort {
				service.Spec.Ports[i].NodePort = 0
			}
		}
		return
	}
	for i := range service.Spec.Ports {
		p := &service.Spec.Ports[i]
		for _, o := range old.Spec.Ports {
			if p.NodePort == 0 && p.Port == o.Port && p.Protocol == o.Protocol {
				p.NodePort = o.NodePort
			}
		}
	}
}

// taken are the claims that services hold, as the cache knows them.
func (s serviceAddresses) taken() map[string]bool {
	taken := map[string]bool{}
	s.Reader.Each("", "services", func(obj resources.Object) {
		service := obj.(*corev1.Service)
		taken[service.Spec.ClusterIP] = true
		taken[portKey(corev1.ProtocolTCP, service.Spec.HealthCheckNodePort)] = true
		for _, p := range service.Spec.Ports {
			taken[portKey(p.Protocol, p.NodePort)] = true
		}
	})
	return taken
}

func portKey(protocol corev1.Protocol, port int32) string {
	return fmt.Sprintf("%s/%d", protocol, port)
}

func (s serviceAddresses) clusterIP(service *corev1.Service, taken map[string]bool) error {
	path := field.NewPath("spec", "clusterIP")
	if service.Spec.ClusterIP == "" && len(service.Spec.ClusterIPs) > 0 {
		service.Spec.ClusterIP = service.Spec.ClusterIPs[0]
	}
	switch service.Spec.ClusterIP {
	case corev1.ClusterIPNone:
	case "":
		ip, ok := s.drawIP(taken)
		if !ok {
			return apierrors.NewInternalError(fmt.Errorf("failed to allocate a serviceIP: range %s is full", s.Services))
		}
		service.Spec.ClusterIP = ip
	default:
		ip, err := netip.ParseAddr(service.Spec.ClusterIP)
		if err == nil && (!s.Services.Contains(ip) || s.Reserved.Contains(ip)) {
			return invalid(service, field.Invalid(path, service.Spec.ClusterIP, fmt.Sprintf(
				"failed to allocate IP %s: the provided IP (%s) is not in the valid range. The range of valid IPs is %s",
				ip, ip, s.Services)))
		}
	}
	if len(service.Spec.ClusterIPs) == 0 {
		service.Spec.ClusterIPs = []string{service.Spec.ClusterIP}
	}
	return nil
}

func invalid(service *corev1.Service, err *field.Error) error {
	return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), service.Name, field.ErrorList{err})
}

// drawIP picks a free address at random, above the static band as long as there is one.
func (s serviceAddresses) drawIP(taken map[string]bool) (string, bool) {
	base := s.Services.Masked().Addr().As4()
	size := 1 << (32 - s.Services.Bits())
	free := func(n int) (string, bool) {
		ip := netip.AddrFrom4(add(base, n))
		return ip.String(), !taken[ip.String()] && !s.Reserved.Contains(ip)
	}
	band := min(staticBand, size/2)
	for range 64 { // a range that is not nearly full is hit within a few draws
		if ip, ok := free(band + s.IntN(size-band-1)); ok {
			return ip, true
		}
	}
	for _, r := range [][2]int{{band, size - 1}, {1, band}} {
		for n := r[0]; n < r[1]; n++ {
			if ip, ok := free(n); ok {
				return ip, true
			}
		}
	}
	return "", false
}

func add(base [4]byte, n int) [4]byte {
	v := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	v += uint32(n)
	return [4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

func wantsNodePorts(service *corev1.Service) bool {
	switch service.Spec.Type {
	case corev1.ServiceTypeNodePort:
		return true
	case corev1.ServiceTypeLoadBalancer:
		return service.Spec.AllocateLoadBalancerNodePorts == nil || *service.Spec.AllocateLoadBalancerNodePorts
	}
	return false
}

// nodePorts gives each port of the service a node port. Two ports of one service that differ only in their protocol
// share the number, as upstream.
func (s serviceAddresses) nodePorts(service *corev1.Service, taken map[string]bool) error {
	if !wantsNodePorts(service) {
		return nil
	}
	own := map[int32]int32{} // the service's port → the node port it was given
	for _, p := range service.Spec.Ports {
		if p.NodePort != 0 {
			own[p.Port] = p.NodePort
			taken[portKey(p.Protocol, p.NodePort)] = true
		}
	}
	for i := range service.Spec.Ports {
		p := &service.Spec.Ports[i]
		if p.NodePort != 0 {
			continue
		}
		if shared := own[p.Port]; shared != 0 && !taken[portKey(p.Protocol, shared)] {
			p.NodePort = shared
		} else if p.NodePort = s.drawPort(p.Protocol, taken); p.NodePort == 0 {
			return apierrors.NewInternalError(fmt.Errorf("failed to allocate a nodePort: range is full"))
		}
		own[p.Port] = p.NodePort
		taken[portKey(p.Protocol, p.NodePort)] = true
	}
	return nil
}

// healthCheckPort gives a load balancer's service whose nodes use their own endpoints alone the port at which they say whether
// they have any. (The kind's own hooks keep it, and give it back.)
func (s serviceAddresses) healthCheckPort(service *corev1.Service, taken map[string]bool) error {
	spec := &service.Spec
	if spec.Type != corev1.ServiceTypeLoadBalancer || spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal ||
		spec.HealthCheckNodePort != 0 {
		return nil
	}
	if spec.HealthCheckNodePort = s.drawPort(corev1.ProtocolTCP, taken); spec.HealthCheckNodePort == 0 {
		return apierrors.NewInternalError(fmt.Errorf("failed to allocate a healthCheckNodePort: range is full"))
	}
	return nil
}

func (s serviceAddresses) drawPort(protocol corev1.Protocol, taken map[string]bool) int32 {
	const count = lastNodePort - firstNodePort + 1
	start := s.IntN(count)
	for i := range count {
		port := int32(firstNodePort + (start+i)%count)
		if !taken[portKey(protocol, port)] {
			return port
		}
	}
	return 0
}
