package admission

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/core"
)

// staticBand is how many addresses at the bottom of the range are left to those who ask for a certain one, as long as
// there are others (upstream: a sixteenth of the range, at least 16 and at most 256).
const staticBand = 256

// serviceAddresses gives services their cluster IP and node ports.
type serviceAddresses struct{ Options }

// allocate runs after the kind's own hooks: what the service had before and still may have is there already.
func (s serviceAddresses) allocate(_ context.Context, r *Request) error {
	if r.Row.Plural != "services" || r.Row.Kind.Group != "" || r.Verb == "delete" || r.Subresource != "" {
		return nil
	}
	service := r.Object.(*corev1.Service)
	var old *corev1.Service
	if r.Old != nil {
		old = r.Old.(*corev1.Service)
	}
	if err := setFamilies(service, old); err != nil {
		return err
	}
	taken := s.taken()
	if old == nil || old.Spec.Type == corev1.ServiceTypeExternalName { // others keep theirs
		if err := s.clusterIP(service, taken); err != nil {
			return err
		}
	}
	ports := &nodePorts{service: service, intN: s.IntN, taken: taken, given: map[int32]bool{}}
	if core.HasNodePorts(&service.Spec) {
		give := ports.create
		if old != nil {
			give = func() error { return ports.update(old) }
		}
		if err := give(); err != nil {
			return err
		}
	}
	if core.NeedsHealthCheck(&service.Spec) && (old == nil || !core.NeedsHealthCheck(&old.Spec)) {
		return ports.healthCheck()
	}
	return nil
}

// taken are the claims that services hold, as the cache knows them.
func (s serviceAddresses) taken() map[string]bool {
	taken := map[string]bool{}
	s.Reader.Each("", "services", func(obj resources.Object) {
		service := obj.(*corev1.Service)
		taken[service.Spec.ClusterIP] = true
		taken[portKey(service.Spec.HealthCheckNodePort)] = true
		for _, p := range service.Spec.Ports {
			taken[portKey(p.NodePort)] = true
		}
	})
	return taken
}

func portKey(port int32) string { return fmt.Sprintf("port/%d", port) }

// clusterIP gives the service an address, or the one that it asks for; whether another service has that the store knows.
func (s serviceAddresses) clusterIP(service *corev1.Service, taken map[string]bool) error {
	spec := &service.Spec
	switch {
	case spec.Type == corev1.ServiceTypeExternalName || spec.ClusterIP == corev1.ClusterIPNone:
		return nil
	case len(spec.ClusterIPs) == 0:
		ip, ok := s.drawIP(taken)
		if !ok {
			return apierrors.NewInternalError(fmt.Errorf("failed to allocate a serviceIP: range %s is full", s.Services))
		}
		spec.ClusterIP, spec.ClusterIPs = ip, []string{ip}
		return nil
	}
	ip, err := netip.ParseAddr(spec.ClusterIPs[0])
	if err != nil || !s.gives(ip) {
		return invalid(service, field.Invalid(field.NewPath("spec", "clusterIPs"), spec.ClusterIPs,
			fmt.Sprintf("failed to allocate IP %s: the provided network does not match the current range", spec.ClusterIPs[0])))
	}
	return nil
}

// gives reports whether a service may ask for the address: the first and the last of the range stand for the whole of it.
func (s serviceAddresses) gives(ip netip.Addr) bool {
	first := s.Services.Masked().Addr()
	last := netip.AddrFrom4(add(first.As4(), 1<<(32-s.Services.Bits())-1))
	return s.Services.Contains(ip) && ip != first && ip != last && !s.Reserved.Contains(ip)
}

func invalid(service *corev1.Service, errs ...*field.Error) error {
	return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), service.Name, errs)
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
