package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// endpointSliceController is the value of the label endpointslice.kubernetes.io/managed-by.
const endpointSliceController = "endpointslice-controller.k8s.io"

// maxEndpointsPerSlice is upstream's default of --max-endpoints-per-slice.
const maxEndpointsPerSlice = 100

// endpointSlicePlan is what is to be done to the EndpointSlices of one Service.
type endpointSlicePlan struct {
	Create []*discoveryv1.EndpointSlice
	Update []*discoveryv1.EndpointSlice
	Delete []*discoveryv1.EndpointSlice
	Reason string
}

func (p endpointSlicePlan) empty() bool { return len(p.Create)+len(p.Update)+len(p.Delete) == 0 }

// endpointGroup is what must share EndpointSlices: endpoints of one address family that serve the same ports.
type endpointGroup struct {
	addressType discoveryv1.AddressType
	ports       []discoveryv1.EndpointPort
	endpoints   []discoveryv1.Endpoint
}

// planEndpointSlices says how the EndpointSlices of a Service must change so that together they hold every endpoint once,
// at most maxEndpointsPerSlice each. Few writes come before full slices: an endpoint stays in the slice in which it is,
// a slice that changes anyway is filled up first, then one that has room, and only the rest makes new slices.
//
// A nil service was deleted. zones gives the zone of each node by its name; current are the slices that this controller
// manages for the Service, in any order.
func planEndpointSlices(
	service *corev1.Service, pods []*corev1.Pod, zones map[string]string, current []*discoveryv1.EndpointSlice,
) endpointSlicePlan {
	if service == nil {
		return endpointSlicePlan{Delete: current, Reason: "the Service is gone"}
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName || service.Spec.Selector == nil {
		return endpointSlicePlan{Delete: current, Reason: fmt.Sprintf(
			"Service %s has no selector, or is an ExternalName: %d EndpointSlices too many", service.Name, len(current))}
	}
	return planSlices(ownerOfSlices(service), endpointGroups(service, pods, zones), current)
}

// sliceOwner is what EndpointSlices take over from the object that they belong to.
type sliceOwner struct {
	// service is the name of the Service; its slices' names begin with it.
	service, namespace string
	labels             map[string]string
	reference          metav1.OwnerReference
}

func ownerOfSlices(service *corev1.Service) sliceOwner {
	return sliceOwner{service: service.Name, namespace: service.Namespace, labels: sliceLabels(service),
		reference: *metav1.NewControllerRef(service, corev1.SchemeGroupVersion.WithKind("Service"))}
}

// planSlices compares the groups that are wanted, by sliceKey, with the slices that there are.
func planSlices(
	owner sliceOwner, groups map[string]*endpointGroup, current []*discoveryv1.EndpointSlice,
) endpointSlicePlan {
	byGroup := map[string][]*discoveryv1.EndpointSlice{}
	for _, slice := range current {
		key := sliceKey(slice.AddressType, slice.Ports)
		byGroup[key] = append(byGroup[key], slice)
	}
	plan := endpointSlicePlan{}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		plan.group(owner, groups[key], byGroup[key])
		delete(byGroup, key)
	}
	for _, key := range slices.Sorted(maps.Keys(byGroup)) {
		plan.Delete = append(plan.Delete, byGroup[key]...)
	}
	plan.reuse()
	total := 0
	for _, g := range groups {
		total += len(g.endpoints)
	}
	plan.Reason = fmt.Sprintf("Service %s has %d endpoints in %d EndpointSlices: %d to create, %d to update, %d to delete",
		owner.service, total, len(current), len(plan.Create), len(plan.Update), len(plan.Delete))
	if !plan.empty() {
		plan.Reason += "; " + statesOfSlices(current).changesOr(statesOfGroups(groups), "no address changes, only its details")
	}
	return plan
}

// endpointGroups are the wanted endpoints of a Service by sliceKey. An address family without any endpoint has one group
// without ports, so that readers of the Service find a slice that says "none".
func endpointGroups(service *corev1.Service, pods []*corev1.Pod, zones map[string]string) map[string]*endpointGroup {
	groups := map[string]*endpointGroup{}
	for _, family := range families(service) {
		addressType := discoveryv1.AddressType(family)
		found := false
		for _, pod := range selected(service, pods) {
			ip := podAddress(pod, family)
			if ip == "" || !belongs(pod, true) {
				continue
			}
			corePorts, ok := endpointPorts(service, pod)
			if !ok {
				continue
			}
			found = true
			ports := slicePorts(corePorts)
			key := sliceKey(addressType, ports)
			if groups[key] == nil {
				groups[key] = &endpointGroup{addressType: addressType, ports: ports}
			}
			groups[key].endpoints = append(groups[key].endpoints, sliceEndpoint(service, pod, ip, zones))
		}
		if !found {
			groups[sliceKey(addressType, nil)] = &endpointGroup{addressType: addressType}
		}
	}
	for _, g := range groups {
		slices.SortFunc(g.endpoints, func(a, b discoveryv1.Endpoint) int {
			return strings.Compare(endpointKey(a), endpointKey(b))
		})
	}
	return groups
}

// group plans the slices of one group.
func (p *endpointSlicePlan) group(owner sliceOwner, wanted *endpointGroup, current []*discoveryv1.EndpointSlice) {
	slices.SortFunc(current, func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	missing := map[string]discoveryv1.Endpoint{}
	for _, e := range wanted.endpoints {
		missing[endpointKey(e)] = e
	}
	// 1. Every slice keeps what is still wanted, in its newest form. An endpoint that two slices hold stays in the first.
	kept := make([][]discoveryv1.Endpoint, len(current))
	changed := make([]bool, len(current))
	for i, slice := range current {
		for _, e := range slice.Endpoints {
			want, ok := missing[endpointKey(e)]
			if !ok || len(kept[i]) == maxEndpointsPerSlice {
				changed[i] = true
				continue
			}
			delete(missing, endpointKey(e))
			kept[i] = append(kept[i], want)
			changed[i] = changed[i] || !equality.Semantic.DeepEqual(e, want)
		}
		changed[i] = changed[i] || !sameOwnerAndLabels(owner, slice)
	}
	// 2. What is missing goes into slices that change anyway, 3. then into slices with room, 4. then into new ones.
	rest := make([]discoveryv1.Endpoint, 0, len(missing))
	for _, key := range slices.Sorted(maps.Keys(missing)) {
		rest = append(rest, missing[key])
	}
	rest = fill(kept, changed, rest, func(i int) bool { return changed[i] && len(kept[i]) > 0 })
	rest = fill(kept, changed, rest, func(i int) bool { return true })
	p.settle(owner, wanted, current, kept, changed)
	for chunk := range slices.Chunk(rest, maxEndpointsPerSlice) {
		p.Create = append(p.Create, newSlice(owner, wanted, chunk))
	}
	if len(wanted.endpoints) == 0 && len(current) == 0 {
		p.Create = append(p.Create, newSlice(owner, wanted, nil))
	}
}

// reuse turns pairs of a slice to create and a slice to delete into one update: a write and an object less, and readers see
// the old and the new at no time together. A slice's address type cannot change.
func (p *endpointSlicePlan) reuse() {
	var create []*discoveryv1.EndpointSlice
	for _, slice := range p.Create {
		i := slices.IndexFunc(p.Delete, func(old *discoveryv1.EndpointSlice) bool {
			return old.AddressType == slice.AddressType && old.DeletionTimestamp == nil
		})
		if i < 0 {
			create = append(create, slice)
			continue
		}
		labels, owners := slice.Labels, slice.OwnerReferences
		slice.ObjectMeta = *p.Delete[i].ObjectMeta.DeepCopy()
		slice.Labels, slice.OwnerReferences = labels, owners
		p.Update = append(p.Update, slice)
		p.Delete = slices.Delete(p.Delete, i, i+1)
	}
	p.Create = create
}

// fill moves endpoints from rest into the slices that may take them and returns what is left over.
func fill(
	kept [][]discoveryv1.Endpoint, changed []bool, rest []discoveryv1.Endpoint, may func(i int) bool,
) []discoveryv1.Endpoint {
	for i := range kept {
		n := min(len(rest), maxEndpointsPerSlice-len(kept[i]))
		if n == 0 || !may(i) {
			continue
		}
		kept[i] = append(kept[i], rest[:n]...)
		changed[i] = true
		rest = rest[n:]
	}
	return rest
}

// settle writes down which of the current slices are updated and which are deleted because nothing is left in them. A
// group without endpoints keeps its first slice, empty.
func (p *endpointSlicePlan) settle(
	owner sliceOwner, wanted *endpointGroup, current []*discoveryv1.EndpointSlice,
	kept [][]discoveryv1.Endpoint, changed []bool,
) {
	for i, slice := range current {
		placeholder := len(wanted.endpoints) == 0 && i == 0
		switch {
		case len(kept[i]) == 0 && !placeholder:
			p.Delete = append(p.Delete, slice)
		case changed[i]:
			updated := newSlice(owner, wanted, kept[i])
			updated.ObjectMeta = *slice.ObjectMeta.DeepCopy()
			updated.Labels = owner.labels
			updated.OwnerReferences = []metav1.OwnerReference{owner.reference}
			p.Update = append(p.Update, updated)
		}
	}
}

func newSlice(owner sliceOwner, group *endpointGroup, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: owner.service + "-", Namespace: owner.namespace,
			Labels:          maps.Clone(owner.labels),
			OwnerReferences: []metav1.OwnerReference{owner.reference},
		},
		AddressType: group.addressType,
		Ports:       group.ports,
		Endpoints:   slices.Clone(endpoints),
	}
}

func sameOwnerAndLabels(owner sliceOwner, slice *discoveryv1.EndpointSlice) bool {
	reference := metav1.GetControllerOf(slice)
	return reference != nil && reference.UID == owner.reference.UID && maps.Equal(slice.Labels, owner.labels)
}

// sliceLabels are the Service's own, and those by which readers find the slices of a Service and their manager.
func sliceLabels(service *corev1.Service) map[string]string {
	out := map[string]string{}
	maps.Copy(out, service.Labels)
	delete(out, corev1.IsHeadlessService)
	if isHeadless(service) {
		out[corev1.IsHeadlessService] = ""
	}
	out[discoveryv1.LabelServiceName] = service.Name
	out[discoveryv1.LabelManagedBy] = endpointSliceController
	return out
}

// sliceEndpoint is a pod as an endpoint. A pod that is being deleted may go on serving: it is then not ready, but serving
// and terminating.
func sliceEndpoint(service *corev1.Service, pod *corev1.Pod, ip string, zones map[string]string) discoveryv1.Endpoint {
	serving := podIsReady(pod)
	terminating := pod.DeletionTimestamp != nil
	ready := service.Spec.PublishNotReadyAddresses || (serving && !terminating)
	endpoint := discoveryv1.Endpoint{
		Addresses:  []string{ip},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		TargetRef:  podReference(pod),
	}
	if pod.Spec.NodeName != "" {
		endpoint.NodeName = &pod.Spec.NodeName
		if zone := zones[pod.Spec.NodeName]; zone != "" {
			endpoint.Zone = &zone
		}
	}
	if hasHostname(service, pod) {
		endpoint.Hostname = &pod.Spec.Hostname
	}
	return endpoint
}

// families are the address families in which the Service is reachable; IPv4 where the API server set none.
func families(service *corev1.Service) []corev1.IPFamily {
	if len(service.Spec.IPFamilies) > 0 {
		return service.Spec.IPFamilies
	}
	return []corev1.IPFamily{primaryFamily(service)}
}

// endpointKey tells endpoints apart: the pod, and its address.
func endpointKey(e discoveryv1.Endpoint) string {
	key := strings.Join(e.Addresses, ",")
	if e.TargetRef != nil {
		key += "\x00" + e.TargetRef.Namespace + "/" + e.TargetRef.Name + "\x00" + string(e.TargetRef.UID)
	}
	return key
}

func slicePorts(ports []corev1.EndpointPort) []discoveryv1.EndpointPort {
	out := make([]discoveryv1.EndpointPort, 0, len(ports))
	for _, p := range ports {
		out = append(out, discoveryv1.EndpointPort{
			Name: &p.Name, Port: &p.Port, Protocol: &p.Protocol, AppProtocol: p.AppProtocol})
	}
	return out
}

// sliceKey is equal for slices that may hold the same endpoints.
func sliceKey(addressType discoveryv1.AddressType, ports []discoveryv1.EndpointPort) string {
	core := make([]corev1.EndpointPort, 0, len(ports))
	for _, p := range ports {
		port := corev1.EndpointPort{AppProtocol: p.AppProtocol}
		if p.Name != nil {
			port.Name = *p.Name
		}
		if p.Port != nil {
			port.Port = *p.Port
		}
		if p.Protocol != nil {
			port.Protocol = *p.Protocol
		}
		core = append(core, port)
	}
	return string(addressType) + "\x02" + portsKey(core)
}
