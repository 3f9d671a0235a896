package endpointslicemirroring

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/net"

	"minik.dev/controllers/backends"
)

// mirroringController is the value of the label endpointslice.kubernetes.io/managed-by of mirrored slices.
const mirroringController = "endpointslicemirroring-controller.k8s.io"

// planMirror says how the mirrored slices must change. Either object may be nil.
func planMirror(
	service *corev1.Service, endpoints *corev1.Endpoints, current []*discoveryv1.EndpointSlice,
) backends.SlicePlan {
	because := ""
	switch {
	case service == nil:
		because = "the Service is gone"
	case endpoints == nil:
		because = "the Endpoints are gone"
	case service.Spec.Selector != nil:
		because = "the Service has a selector"
	case endpoints.Labels[discoveryv1.LabelSkipMirror] == "true":
		because = "the Endpoints have the label " + discoveryv1.LabelSkipMirror
	case endpoints.Annotations["control-plane.alpha.kubernetes.io/leader"] != "":
		because = "the Endpoints hold a leader election"
	}
	if because != "" {
		return backends.SlicePlan{Delete: current, Reason: because}
	}
	labels := map[string]string{}
	maps.Copy(labels, endpoints.Labels)
	delete(labels, backends.ManagedBy)
	labels[discoveryv1.LabelServiceName] = service.Name
	labels[discoveryv1.LabelManagedBy] = mirroringController
	owner := backends.SliceOwner{Service: service.Name, Namespace: service.Namespace, Labels: labels,
		Reference: *metav1.NewControllerRef(endpoints, corev1.SchemeGroupVersion.WithKind("Endpoints"))}
	return backends.PlanSlices(owner, mirroredGroups(endpoints), current)
}

func mirroredGroups(endpoints *corev1.Endpoints) map[string]*backends.Group {
	groups := map[string]*backends.Group{}
	add := func(address corev1.EndpointAddress, ports []discoveryv1.EndpointPort, ready bool) {
		addressType := discoveryv1.AddressTypeIPv4
		if net.IsIPv6String(address.IP) {
			addressType = discoveryv1.AddressTypeIPv6
		}
		key := backends.SliceKey(addressType, ports)
		if groups[key] == nil {
			groups[key] = &backends.Group{AddressType: addressType, Ports: ports}
		}
		endpoint := discoveryv1.Endpoint{Addresses: []string{address.IP}, NodeName: address.NodeName,
			Conditions: discoveryv1.EndpointConditions{Ready: &ready}, TargetRef: address.TargetRef}
		if address.Hostname != "" {
			endpoint.Hostname = &address.Hostname
		}
		groups[key].Endpoints = append(groups[key].Endpoints, endpoint)
	}
	for _, subset := range endpoints.Subsets {
		ports := backends.SlicePorts(subset.Ports)
		for _, address := range subset.Addresses {
			add(address, ports, true)
		}
		for _, address := range subset.NotReadyAddresses {
			add(address, ports, false)
		}
	}
	for _, g := range groups {
		slices.SortFunc(g.Endpoints, func(a, b discoveryv1.Endpoint) int {
			return strings.Compare(backends.EndpointKey(a), backends.EndpointKey(b))
		})
	}
	return groups
}
