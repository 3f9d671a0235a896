package service

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// loadBalancerPlan is what is to be done for one Service of type LoadBalancer, or one that was.
type loadBalancerPlan struct {
	// Ensure is the address that the Service's status is to name; the zero address means nothing is to be written.
	Ensure netip.Addr
	// Release clears the addresses that the status still names.
	Release bool
	// Failure is set where the Service wants an address and can have none.
	Failure string
	Reason  string
}

// planLoadBalancer says which address a Service gets. services are all Services of the cluster, the one in question
// included: what their status names is taken. pool is the range that addresses come from.
//
// A Service keeps the address it has as long as it is in the pool, is the one that spec.loadBalancerIP asks for, and no
// older Service names it too. A Service of a class is left to whoever serves that class.
func planLoadBalancer(service *corev1.Service, services []*corev1.Service, pool netip.Prefix) loadBalancerPlan {
	has := ingressAddress(service)
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer || service.DeletionTimestamp != nil {
		if len(service.Status.LoadBalancer.Ingress) == 0 || service.DeletionTimestamp != nil {
			return loadBalancerPlan{Reason: fmt.Sprintf("type %s needs no address", service.Spec.Type)}
		}
		return loadBalancerPlan{Release: true, Reason: fmt.Sprintf(
			"type is %s, the status still names %s", service.Spec.Type, has)}
	}
	if class := service.Spec.LoadBalancerClass; class != nil {
		return loadBalancerPlan{Reason: fmt.Sprintf("loadBalancerClass %q is not served here", *class)}
	}
	taken := takenAddresses(service, services)
	if !pool.IsValid() {
		failure := "this cluster has no addresses for load balancers"
		return loadBalancerPlan{Failure: failure, Reason: failure}
	}
	wanted, err := requestedAddress(service, pool)
	if err != nil {
		return loadBalancerPlan{Failure: err.Error(), Reason: err.Error()}
	}
	if has.IsValid() && pool.Contains(has) && taken[has] == nil && (!wanted.IsValid() || wanted == has) {
		return loadBalancerPlan{Reason: fmt.Sprintf("has %s of %s", has, pool)}
	}
	if wanted.IsValid() {
		if other := taken[wanted]; other != nil {
			failure := fmt.Sprintf("address %s is in use by Service %s/%s", wanted, other.Namespace, other.Name)
			return loadBalancerPlan{Failure: failure, Reason: failure}
		}
		return loadBalancerPlan{Ensure: wanted, Reason: fmt.Sprintf("spec.loadBalancerIP asks for %s, which is free", wanted)}
	}
	free := firstFree(pool, taken)
	if !free.IsValid() {
		failure := fmt.Sprintf("no free address in %s: %d are in use", pool, len(taken))
		return loadBalancerPlan{Failure: failure, Reason: failure}
	}
	return loadBalancerPlan{Ensure: free, Reason: fmt.Sprintf("%s is the first free address of %s, %d in use",
		free, pool, len(taken))}
}

// requestedAddress is what spec.loadBalancerIP asks for; the zero address where it asks for none.
func requestedAddress(service *corev1.Service, pool netip.Prefix) (netip.Addr, error) {
	if service.Spec.LoadBalancerIP == "" {
		return netip.Addr{}, nil
	}
	wanted, err := netip.ParseAddr(service.Spec.LoadBalancerIP)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("spec.loadBalancerIP %q is not an IP address", service.Spec.LoadBalancerIP)
	}
	if !pool.Contains(wanted) {
		return netip.Addr{}, fmt.Errorf("spec.loadBalancerIP %s is not in %s", wanted, pool)
	}
	return wanted, nil
}

// takenAddresses maps each address to the Service that holds it, other than the one in question. Where two Services name
// one address (a slow cache made it so) the older holds it, and the younger is given another.
func takenAddresses(service *corev1.Service, services []*corev1.Service) map[netip.Addr]*corev1.Service {
	taken := map[netip.Addr]*corev1.Service{}
	has := ingressAddress(service)
	for _, other := range services {
		address := ingressAddress(other)
		if !address.IsValid() || sameService(service, other) {
			continue
		}
		if address == has && older(service, other) {
			continue
		}
		taken[address] = other
	}
	return taken
}

func sameService(a, b *corev1.Service) bool { return a.Namespace == b.Namespace && a.Name == b.Name }

// older orders Services by age, then by name, so that of two exactly one is older.
func older(a, b *corev1.Service) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) < 0
}

// ingressAddress is the address that the Service's status names.
func ingressAddress(service *corev1.Service) netip.Addr {
	i := slices.IndexFunc(service.Status.LoadBalancer.Ingress, func(i corev1.LoadBalancerIngress) bool { return i.IP != "" })
	if i < 0 {
		return netip.Addr{}
	}
	address, err := netip.ParseAddr(service.Status.LoadBalancer.Ingress[i].IP)
	if err != nil {
		return netip.Addr{}
	}
	return address
}

// firstFree is the lowest free address of the pool. The network's own address, and in IPv4 the broadcast address, are
// never given away, except where the pool is too small to have them.
func firstFree(pool netip.Prefix, taken map[netip.Addr]*corev1.Service) netip.Addr {
	pool = pool.Masked()
	ends := pool.Addr().BitLen()-pool.Bits() > 1
	address := pool.Addr()
	if ends {
		address = address.Next()
	}
	for ; address.IsValid() && pool.Contains(address); address = address.Next() {
		if ends && address.Is4() && !pool.Contains(address.Next()) {
			break
		}
		if taken[address] == nil {
			return address
		}
	}
	return netip.Addr{}
}
