package endpoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/backends"
	"minik.dev/controllers/podstate"
)

const (
	endpointController = "endpoint-controller"
	// maxEndpointsCapacity bounds the addresses of one Endpoints object; upstream's maxCapacity. EndpointSlices have no such
	// bound, which is why they exist.
	maxEndpointsCapacity = 1000
	truncated            = "truncated"
)

// endpointsPlan is what is to be done to the Endpoints of one Service. At most one of the three actions is set.
type endpointsPlan struct {
	Create *corev1.Endpoints
	Update *corev1.Endpoints
	Delete bool
	Reason string
}

// planEndpoints says what the Endpoints of a Service should become. A nil service was deleted; pods are those of its
// namespace, in any order; current is nil where there are no Endpoints. A Service without a selector is left alone: its
// Endpoints are written by a user. So is an ExternalName, which has none.
func planEndpoints(service *corev1.Service, pods []*corev1.Pod, current *corev1.Endpoints) endpointsPlan {
	if service == nil {
		if current == nil {
			return endpointsPlan{Reason: "the Service is gone and has no Endpoints"}
		}
		return endpointsPlan{Delete: true, Reason: "the Service is gone"}
	}
	switch {
	case service.Spec.Selector == nil:
		return endpointsPlan{Reason: "the Service has no selector"}
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		return endpointsPlan{Reason: "the Service is another name for a host: what its selector selects is not behind it"}
	}
	wanted := wantedEndpoints(service, pods)
	ready, notReady := countAddresses(wanted.Subsets)
	counts := fmt.Sprintf("Service %s selects %d ready and %d not ready addresses", service.Name, ready, notReady)
	if current == nil {
		return endpointsPlan{Create: wanted, Reason: counts + ", has no Endpoints: " +
			backends.AddressStates{}.ChangesOr(backends.StatesOfSubsets(wanted.Subsets), "there are none")}
	}
	difference := endpointsDifference(current, wanted)
	if difference == "" {
		return endpointsPlan{Reason: counts + ", as the Endpoints say"}
	}
	updated := current.DeepCopy()
	updated.Subsets = wanted.Subsets
	updated.Labels = wanted.Labels
	if _, over := wanted.Annotations[corev1.EndpointsOverCapacity]; over {
		metav1.SetMetaDataAnnotation(&updated.ObjectMeta, corev1.EndpointsOverCapacity, truncated)
	} else {
		delete(updated.Annotations, corev1.EndpointsOverCapacity)
	}
	return endpointsPlan{Update: updated, Reason: counts + ", " + difference}
}

// wantedEndpoints makes the Endpoints of a Service from nothing.
func wantedEndpoints(service *corev1.Service, pods []*corev1.Pod) *corev1.Endpoints {
	endpoints := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{
		Name: service.Name, Namespace: service.Namespace, Labels: endpointsLabels(service)}}
	endpoints.Subsets = subsets(service, pods)
	if truncate(endpoints) {
		metav1.SetMetaDataAnnotation(&endpoints.ObjectMeta, corev1.EndpointsOverCapacity, truncated)
	}
	return endpoints
}

func endpointsLabels(service *corev1.Service) map[string]string {
	out := map[string]string{}
	maps.Copy(out, service.Labels)
	delete(out, corev1.IsHeadlessService)
	out[backends.ManagedBy] = endpointController
	if backends.IsHeadless(service) {
		out[corev1.IsHeadlessService] = ""
	}
	return out
}

// subsets groups the addresses of the pods by the ports that they serve. Pods whose named ports differ land in different
// subsets. The order is that of ports, then addresses, so that equal pods make equal Endpoints.
func subsets(service *corev1.Service, pods []*corev1.Pod) []corev1.EndpointSubset {
	byPorts := map[string]*corev1.EndpointSubset{}
	for _, pod := range backends.Selected(service, pods) {
		if !backends.Belongs(pod, service.Spec.PublishNotReadyAddresses) {
			continue
		}
		ip := backends.Address(pod, backends.PrimaryFamily(service))
		if ip == "" {
			continue
		}
		ports, ok := backends.Ports(service, pod)
		if !ok {
			continue
		}
		key := backends.PortsKey(ports)
		subset := byPorts[key]
		if subset == nil {
			subset = &corev1.EndpointSubset{Ports: ports}
			byPorts[key] = subset
		}
		address := endpointAddress(service, pod, ip)
		if service.Spec.PublishNotReadyAddresses || podstate.Ready(pod) {
			subset.Addresses = append(subset.Addresses, address)
		} else {
			subset.NotReadyAddresses = append(subset.NotReadyAddresses, address)
		}
	}
	var out []corev1.EndpointSubset
	for _, key := range slices.Sorted(maps.Keys(byPorts)) {
		subset := byPorts[key]
		slices.SortFunc(subset.Addresses, byAddress)
		slices.SortFunc(subset.NotReadyAddresses, byAddress)
		out = append(out, *subset)
	}
	return out
}

func byAddress(a, b corev1.EndpointAddress) int {
	if c := strings.Compare(a.IP, b.IP); c != 0 {
		return c
	}
	return strings.Compare(string(a.TargetRef.UID), string(b.TargetRef.UID))
}

func endpointAddress(service *corev1.Service, pod *corev1.Pod, ip string) corev1.EndpointAddress {
	address := corev1.EndpointAddress{IP: ip, TargetRef: backends.Reference(pod)}
	if pod.Spec.NodeName != "" {
		address.NodeName = &pod.Spec.NodeName
	}
	if backends.HasHostname(service, pod) {
		address.Hostname = pod.Spec.Hostname
	}
	return address
}

// truncate cuts the addresses to maxEndpointsCapacity, ready ones first, and reports whether it had to.
func truncate(endpoints *corev1.Endpoints) bool {
	ready, notReady := countAddresses(endpoints.Subsets)
	if ready+notReady <= maxEndpointsCapacity {
		return false
	}
	readyLeft := min(ready, maxEndpointsCapacity)
	notReadyLeft := maxEndpointsCapacity - readyLeft
	var kept []corev1.EndpointSubset
	for _, subset := range endpoints.Subsets {
		n := min(len(subset.Addresses), readyLeft)
		m := min(len(subset.NotReadyAddresses), notReadyLeft)
		readyLeft, notReadyLeft = readyLeft-n, notReadyLeft-m
		subset.Addresses, subset.NotReadyAddresses = subset.Addresses[:n], subset.NotReadyAddresses[:m]
		if n+m > 0 {
			kept = append(kept, subset)
		}
	}
	endpoints.Subsets = kept
	return true
}

// endpointsDifference names the first thing in which the Endpoints differ from the wanted ones; empty means nothing.
func endpointsDifference(current, wanted *corev1.Endpoints) string {
	_, over := current.Annotations[corev1.EndpointsOverCapacity]
	_, wantOver := wanted.Annotations[corev1.EndpointsOverCapacity]
	switch {
	case !equality.Semantic.DeepEqual(current.Subsets, wanted.Subsets):
		ready, notReady := countAddresses(current.Subsets)
		return fmt.Sprintf("the Endpoints list %d and %d: %s", ready, notReady, backends.StatesOfSubsets(current.Subsets).
			ChangesOr(backends.StatesOfSubsets(wanted.Subsets), "no address changes, only its details"))
	case !maps.Equal(current.Labels, wanted.Labels):
		return "the Endpoints' labels differ from the Service's"
	case over != wantOver:
		return fmt.Sprintf("the annotation %s is set: %t", corev1.EndpointsOverCapacity, over)
	}
	return ""
}

func countAddresses(subsets []corev1.EndpointSubset) (ready, notReady int) {
	for _, subset := range subsets {
		ready += len(subset.Addresses)
		notReady += len(subset.NotReadyAddresses)
	}
	return ready, notReady
}
