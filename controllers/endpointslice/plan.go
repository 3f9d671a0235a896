package endpointslice

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/backends"
	"minik.dev/controllers/podstate"
)

// endpointSliceController is the value of the label endpointslice.kubernetes.io/managed-by.
const endpointSliceController = "endpointslice-controller.k8s.io"

// planEndpointSlices says how the EndpointSlices of a Service must change so that together they hold every endpoint once,
// at most backends.MaxPerSlice each. Few writes come before full slices: an endpoint stays in the slice in which it is,
// a slice that changes anyway is filled up first, then one that has room, and only the rest makes new slices.
//
// A nil service was deleted. zones gives the zone of each node by its name; current are the slices that this controller
// manages for the Service, in any order.
func planEndpointSlices(
	service *corev1.Service, pods []*corev1.Pod, zones map[string]string, current []*discoveryv1.EndpointSlice,
) backends.SlicePlan {
	if service == nil {
		return backends.SlicePlan{Delete: current, Reason: "the Service is gone"}
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName || service.Spec.Selector == nil {
		return backends.SlicePlan{} // somebody else's to say, from the slices that there are on
	}
	return backends.PlanSlices(ownerOfSlices(service), endpointGroups(service, pods, zones), current)
}

func ownerOfSlices(service *corev1.Service) backends.SliceOwner {
	return backends.SliceOwner{Service: service.Name, Namespace: service.Namespace, Labels: sliceLabels(service),
		Reference: *metav1.NewControllerRef(service, corev1.SchemeGroupVersion.WithKind("Service"))}
}

// endpointGroups are the wanted endpoints of a Service by backends.SliceKey. An address family without any endpoint has one group
// without ports, so that readers of the Service find a slice that says "none".
func endpointGroups(service *corev1.Service, pods []*corev1.Pod, zones map[string]string) map[string]*backends.Group {
	groups := map[string]*backends.Group{}
	for _, family := range families(service) {
		addressType := discoveryv1.AddressType(family)
		found := false
		for _, pod := range backends.Selected(service, pods) {
			ip := backends.Address(pod, family)
			if ip == "" || !backends.Belongs(pod, true) {
				continue
			}
			corePorts, _ := backends.Ports(service, pod)
			found = true
			ports := backends.SlicePorts(corePorts)
			key := backends.SliceKey(addressType, ports)
			if groups[key] == nil {
				groups[key] = &backends.Group{AddressType: addressType, Ports: ports}
			}
			groups[key].Endpoints = append(groups[key].Endpoints, sliceEndpoint(service, pod, ip, zones))
		}
		if !found {
			groups[backends.SliceKey(addressType, nil)] = &backends.Group{AddressType: addressType}
		}
	}
	for _, g := range groups {
		slices.SortFunc(g.Endpoints, func(a, b discoveryv1.Endpoint) int {
			return strings.Compare(backends.EndpointKey(a), backends.EndpointKey(b))
		})
	}
	return groups
}

// sliceLabels are the Service's own, and those by which readers find the slices of a Service and their manager.
func sliceLabels(service *corev1.Service) map[string]string {
	out := map[string]string{}
	maps.Copy(out, service.Labels)
	delete(out, corev1.IsHeadlessService)
	if backends.IsHeadless(service) {
		out[corev1.IsHeadlessService] = ""
	}
	out[discoveryv1.LabelServiceName] = service.Name
	out[discoveryv1.LabelManagedBy] = endpointSliceController
	return out
}

// sliceEndpoint is a pod as an endpoint. A pod that is being deleted may go on serving: it is then not ready, but serving
// and terminating.
func sliceEndpoint(service *corev1.Service, pod *corev1.Pod, ip string, zones map[string]string) discoveryv1.Endpoint {
	serving := podstate.Ready(pod)
	terminating := pod.DeletionTimestamp != nil
	ready := service.Spec.PublishNotReadyAddresses || (serving && !terminating)
	endpoint := discoveryv1.Endpoint{
		Addresses:  []string{ip},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		TargetRef:  backends.Reference(pod),
	}
	if pod.Spec.NodeName != "" {
		endpoint.NodeName = &pod.Spec.NodeName
		if zone := zones[pod.Spec.NodeName]; zone != "" {
			endpoint.Zone = &zone
		}
	}
	if backends.HasHostname(service, pod) {
		endpoint.Hostname = &pod.Spec.Hostname
	}
	return endpoint
}

// families are the address families in which the Service is reachable; IPv4 where the API server set none.
func families(service *corev1.Service) []corev1.IPFamily {
	if len(service.Spec.IPFamilies) > 0 {
		return service.Spec.IPFamilies
	}
	return []corev1.IPFamily{backends.PrimaryFamily(service)}
}
