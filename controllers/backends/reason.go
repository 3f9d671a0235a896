package backends

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// namedAddresses is how many addresses a reason names; of more it gives the number.
const namedAddresses = 4

// AddressStates gives each address, with its pod, what is said of it: that it is ready, on which ports.
type AddressStates map[string]string

// changes says which addresses come, go and turn between two states, for the reason of a write; it is empty where none
// does. Without it, a pod that becomes ready and one that ceases to be would give the same reason.
func (before AddressStates) changes(after AddressStates) string {
	all := maps.Clone(before)
	maps.Copy(all, after)
	var parts []string
	for _, address := range slices.Sorted(maps.Keys(all)) {
		was, had := before[address]
		is, has := after[address]
		switch {
		case !had:
			parts = append(parts, fmt.Sprintf("%s comes, %s", address, is))
		case !has:
			parts = append(parts, fmt.Sprintf("%s goes", address))
		case was != is:
			parts = append(parts, fmt.Sprintf("%s is %s, was %s", address, is, was))
		}
	}
	if more := len(parts) - namedAddresses; more > 0 {
		parts = append(parts[:namedAddresses], fmt.Sprintf("%d more change", more))
	}
	return strings.Join(parts, "; ")
}

// ChangesOr is changes, or what is said where no address changes.
func (before AddressStates) ChangesOr(after AddressStates, otherwise string) string {
	if changes := before.changes(after); changes != "" {
		return changes
	}
	return otherwise
}

// addEndpoint notes an endpoint of an EndpointSlice with these ports.
func (s AddressStates) addEndpoint(e discoveryv1.Endpoint, ports []discoveryv1.EndpointPort) {
	says := func(condition *bool) bool { return condition != nil && *condition }
	ready := e.Conditions.Ready == nil || *e.Conditions.Ready
	state := readyWord(ready)
	if e.Conditions.Serving != nil && *e.Conditions.Serving != ready {
		state += map[bool]string{true: " but serving", false: " but not serving"}[*e.Conditions.Serving]
	}
	if says(e.Conditions.Terminating) {
		state += " and terminating"
	}
	var on []string
	for _, p := range ports {
		on = append(on, portText(*orZero(p.Name), *orZero(p.Port), *orZero(p.Protocol)))
	}
	s.add(strings.Join(e.Addresses, ","), e.TargetRef, state, on)
}

// addSubset notes the addresses of a part of Endpoints.
func (s AddressStates) addSubset(subset corev1.EndpointSubset) {
	var on []string
	for _, p := range subset.Ports {
		on = append(on, portText(p.Name, p.Port, p.Protocol))
	}
	for _, a := range subset.Addresses {
		s.add(a.IP, a.TargetRef, readyWord(true), on)
	}
	for _, a := range subset.NotReadyAddresses {
		s.add(a.IP, a.TargetRef, readyWord(false), on)
	}
}

func (s AddressStates) add(address string, target *corev1.ObjectReference, state string, ports []string) {
	if target != nil {
		address += " of " + strings.ToLower(target.Kind) + " " + target.Name
	}
	if len(ports) > 0 {
		state += " on " + strings.Join(ports, ",")
	}
	if other, twice := s[address]; twice {
		state = other + " and " + state
	}
	s[address] = state
}

func readyWord(ready bool) string {
	if ready {
		return "ready"
	}
	return "not ready"
}

func portText(name string, port int32, protocol corev1.Protocol) string {
	if name != "" {
		name += " "
	}
	return fmt.Sprintf("%s%d/%s", name, port, protocol)
}

func orZero[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

// statesOfSlices are the addresses in EndpointSlices.
func statesOfSlices(all []*discoveryv1.EndpointSlice) AddressStates {
	out := AddressStates{}
	for _, slice := range all {
		for _, e := range slice.Endpoints {
			out.addEndpoint(e, slice.Ports)
		}
	}
	return out
}

// statesOfGroups are the addresses that are wanted.
func statesOfGroups(groups map[string]*Group) AddressStates {
	out := AddressStates{}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		for _, e := range groups[key].Endpoints {
			out.addEndpoint(e, groups[key].Ports)
		}
	}
	return out
}

// StatesOfSubsets are the addresses in Endpoints.
func StatesOfSubsets(subsets []corev1.EndpointSubset) AddressStates {
	out := AddressStates{}
	for _, subset := range subsets {
		out.addSubset(subset)
	}
	return out
}
