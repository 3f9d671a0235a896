package proxy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// state is how far an endpoint can be used; the greater the better.
type state int

const (
	unusable state = iota
	draining       // terminating, and still serving
	ready
)

// endpointsOf finds the endpoints of one Service port, of the address family of ip. An endpoint that two slices name (as
// happens while a controller moves it from one to the other) counts once, in its better state.
func endpointsOf(from []*discoveryv1.EndpointSlice, ip, portName string, protocol corev1.Protocol) map[Backend]state {
	family := discoveryv1.AddressTypeIPv4
	if addr, err := netip.ParseAddr(ip); err == nil && addr.Is6() {
		family = discoveryv1.AddressTypeIPv6
	}
	out := map[Backend]state{}
	for _, slice := range from {
		if slice.AddressType != family {
			continue
		}
		for _, port := range slice.Ports {
			if port.Port == nil || deref(port.Name, "") != portName || deref(port.Protocol, corev1.ProtocolTCP) != protocol {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				if len(endpoint.Addresses) == 0 {
					continue
				}
				// All addresses of an endpoint are the same pod; upstream's rule is to use the first.
				b := Backend{IP: endpoint.Addresses[0], Port: *port.Port, Node: deref(endpoint.NodeName, "")}
				out[b] = max(out[b], stateOf(endpoint.Conditions))
			}
		}
	}
	return out
}

// stateOf reads an endpoint's conditions. One that is not set means ready, serving as ready is, and not terminating.
func stateOf(c discoveryv1.EndpointConditions) state {
	isReady := deref(c.Ready, true)
	switch {
	case isReady:
		return ready
	case deref(c.Serving, isReady) && deref(c.Terminating, false):
		return draining
	}
	return unusable
}

// backends picks the endpoints to forward to: those that are ready; where none is, those that still serve while they
// terminate (KEP-1669). With nodes not nil, only endpoints on these nodes count (a traffic policy of Local).
func backends(endpoints map[Backend]state, nodes []string) ([]Backend, string) {
	var byState [ready + 1][]Backend
	elsewhere := 0
	for _, b := range slices.SortedFunc(maps.Keys(endpoints), compareBackend) {
		if nodes != nil && !slices.Contains(nodes, b.Node) {
			elsewhere++
			continue
		}
		s := endpoints[b]
		byState[s] = append(byState[s], b)
	}
	suffix := ""
	if nodes != nil {
		suffix = fmt.Sprintf(" on %s, as its traffic policy is Local (%d elsewhere)", nodeList(nodes), elsewhere)
	}
	nReady, nDraining, total := len(byState[ready]), len(byState[draining]), len(endpoints)-elsewhere
	switch {
	case nReady > 0:
		return byState[ready], fmt.Sprintf("%d of %d endpoints ready%s", nReady, total, suffix)
	case nDraining > 0:
		return byState[draining], fmt.Sprintf("none of %d endpoints ready%s, %d terminating but still serving",
			total, suffix, nDraining)
	}
	return nil, fmt.Sprintf("none of %d endpoints ready%s", total, suffix)
}

func nodeList(nodes []string) string {
	switch {
	case len(nodes) == 0:
		return "no node"
	case len(nodes) > 5:
		return fmt.Sprintf("%d nodes", len(nodes))
	}
	return strings.Join(nodes, ", ")
}

func deref[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}
