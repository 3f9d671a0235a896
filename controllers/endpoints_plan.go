package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/net"
)

// endpointsManagedBy marks the Endpoints that the endpoint controller keeps, as upstream has since 1.33.
const endpointsManagedBy = "endpoints.kubernetes.io/managed-by"

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
			addressStates{}.changesOr(statesOfSubsets(wanted.Subsets), "there are none")}
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
	out[endpointsManagedBy] = endpointController
	if isHeadless(service) {
		out[corev1.IsHeadlessService] = ""
	}
	return out
}

// subsets groups the addresses of the pods by the ports that they serve. Pods whose named ports differ land in different
// subsets. The order is that of ports, then addresses, so that equal pods make equal Endpoints.
func subsets(service *corev1.Service, pods []*corev1.Pod) []corev1.EndpointSubset {
	byPorts := map[string]*corev1.EndpointSubset{}
	for _, pod := range selected(service, pods) {
		if !belongs(pod, service.Spec.PublishNotReadyAddresses) {
			continue
		}
		ip := podAddress(pod, primaryFamily(service))
		if ip == "" {
			continue
		}
		ports, ok := endpointPorts(service, pod)
		if !ok {
			continue
		}
		key := portsKey(ports)
		subset := byPorts[key]
		if subset == nil {
			subset = &corev1.EndpointSubset{Ports: ports}
			byPorts[key] = subset
		}
		address := endpointAddress(service, pod, ip)
		if service.Spec.PublishNotReadyAddresses || podIsReady(pod) {
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
	address := corev1.EndpointAddress{IP: ip, TargetRef: podReference(pod)}
	if pod.Spec.NodeName != "" {
		address.NodeName = &pod.Spec.NodeName
	}
	if hasHostname(service, pod) {
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
		return fmt.Sprintf("the Endpoints list %d and %d: %s", ready, notReady, statesOfSubsets(current.Subsets).
			changesOr(statesOfSubsets(wanted.Subsets), "no address changes, only its details"))
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

// selected are the pods that the Service's selector matches. An empty, non-nil selector matches every pod, as upstream.
func selected(service *corev1.Service, pods []*corev1.Pod) []*corev1.Pod {
	selector := labels.Set(service.Spec.Selector).AsSelectorPreValidated()
	var out []*corev1.Pod
	for _, pod := range pods {
		if pod.Namespace == service.Namespace && selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, pod)
		}
	}
	return out
}

// belongs reports whether a pod is an endpoint at all: it has an address, it has not ended for good, and it is not being
// deleted, unless terminating pods are asked for.
func belongs(pod *corev1.Pod, terminating bool) bool {
	if finished(pod) {
		return false
	}
	if pod.Status.PodIP == "" && len(pod.Status.PodIPs) == 0 {
		return false
	}
	return terminating || pod.DeletionTimestamp == nil
}

func podIsReady(pod *corev1.Pod) bool {
	_, ready := readySince(pod)
	return ready
}

func podReference(pod *corev1.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
}

// hasHostname: a pod has a DNS name below its Service when it asks for one in a subdomain named like the Service.
func hasHostname(service *corev1.Service, pod *corev1.Pod) bool {
	return pod.Spec.Hostname != "" && pod.Spec.Subdomain == service.Name && pod.Namespace == service.Namespace
}

func isHeadless(service *corev1.Service) bool {
	return service.Spec.ClusterIP == corev1.ClusterIPNone || service.Spec.ClusterIP == ""
}

// primaryFamily is the first of the Service's address families; IPv4 where the API server set none.
func primaryFamily(service *corev1.Service) corev1.IPFamily {
	if len(service.Spec.IPFamilies) > 0 {
		return service.Spec.IPFamilies[0]
	}
	if net.IsIPv6String(service.Spec.ClusterIP) {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// podAddress is the pod's address of the family, or empty.
func podAddress(pod *corev1.Pod, family corev1.IPFamily) string {
	for _, ip := range pod.Status.PodIPs {
		if net.IsIPv6String(ip.IP) == (family == corev1.IPv6Protocol) {
			return ip.IP
		}
	}
	ip := pod.Status.PodIP
	if ip != "" && net.IsIPv6String(ip) == (family == corev1.IPv6Protocol) {
		return ip
	}
	return ""
}

// endpointPorts are the Service's ports as the pod serves them. A port whose targetPort is a name that the pod has not is
// left out; a pod that serves none of them is no endpoint, except of a headless Service that has no ports at all.
func endpointPorts(service *corev1.Service, pod *corev1.Pod) ([]corev1.EndpointPort, bool) {
	if len(service.Spec.Ports) == 0 {
		return nil, service.Spec.ClusterIP == corev1.ClusterIPNone
	}
	var out []corev1.EndpointPort
	for i := range service.Spec.Ports {
		port := &service.Spec.Ports[i]
		number, ok := targetPort(port, pod)
		if !ok {
			continue
		}
		out = append(out, corev1.EndpointPort{
			Name: port.Name, Port: number, Protocol: port.Protocol, AppProtocol: port.AppProtocol})
	}
	return out, len(out) > 0
}

// targetPort is the number behind a Service's port in one pod. Names are looked up among the containers' ports and those
// of init containers that run beside them.
func targetPort(port *corev1.ServicePort, pod *corev1.Pod) (int32, bool) {
	if port.TargetPort.Type == intstr.Int {
		if port.TargetPort.IntVal == 0 {
			return port.Port, true
		}
		return port.TargetPort.IntVal, true
	}
	containers := slices.Clone(pod.Spec.Containers)
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	for _, c := range containers {
		for _, p := range c.Ports {
			if p.Name == port.TargetPort.StrVal && p.Protocol == port.Protocol {
				return p.ContainerPort, true
			}
		}
	}
	return 0, false
}

// portsKey is equal for equal sets of ports, in whatever order.
func portsKey(ports []corev1.EndpointPort) string {
	keys := make([]string, 0, len(ports))
	for _, p := range ports {
		app := ""
		if p.AppProtocol != nil {
			app = *p.AppProtocol
		}
		keys = append(keys, p.Name+"\x00"+strconv.Itoa(int(p.Port))+"\x00"+string(p.Protocol)+"\x00"+app)
	}
	slices.Sort(keys)
	return strings.Join(keys, "\x01")
}
