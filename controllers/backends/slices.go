package backends

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

// MaxPerSlice is upstream's default of --max-endpoints-per-slice.
const MaxPerSlice = 100

// SlicePlan is what is to be done to the EndpointSlices of one Service.
type SlicePlan struct {
	Create []*discoveryv1.EndpointSlice
	Update []*discoveryv1.EndpointSlice
	Delete []*discoveryv1.EndpointSlice
	Reason string
}

// Empty is a plan that finds nothing to do.
func (p SlicePlan) Empty() bool { return len(p.Create)+len(p.Update)+len(p.Delete) == 0 }

// Group is what must share EndpointSlices: endpoints of one address family that serve the same ports.
type Group struct {
	AddressType discoveryv1.AddressType
	Ports       []discoveryv1.EndpointPort
	Endpoints   []discoveryv1.Endpoint
}

// SliceOwner is what EndpointSlices take over from the object that they belong to.
type SliceOwner struct {
	// Service is the name of the Service; its slices' names begin with it.
	Service, Namespace string
	Labels             map[string]string
	Reference          metav1.OwnerReference
}

// PlanSlices compares the groups that are wanted, by SliceKey, with the slices that there are.
func PlanSlices(
	owner SliceOwner, groups map[string]*Group, current []*discoveryv1.EndpointSlice,
) SlicePlan {
	byGroup := map[string][]*discoveryv1.EndpointSlice{}
	for _, slice := range current {
		key := SliceKey(slice.AddressType, slice.Ports)
		byGroup[key] = append(byGroup[key], slice)
	}
	plan := SlicePlan{}
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
		total += len(g.Endpoints)
	}
	plan.Reason = fmt.Sprintf("Service %s has %d endpoints in %d EndpointSlices: %d to create, %d to update, %d to delete",
		owner.Service, total, len(current), len(plan.Create), len(plan.Update), len(plan.Delete))
	if !plan.Empty() {
		plan.Reason += "; " + statesOfSlices(current).ChangesOr(statesOfGroups(groups), "no address changes, only its details")
	}
	return plan
}

// group plans the slices of one group.
func (p *SlicePlan) group(owner SliceOwner, wanted *Group, current []*discoveryv1.EndpointSlice) {
	slices.SortFunc(current, func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	missing := map[string]discoveryv1.Endpoint{}
	for _, e := range wanted.Endpoints {
		missing[EndpointKey(e)] = e
	}
	// 1. Every slice keeps what is still wanted, in its newest form. An endpoint that two slices hold stays in the first.
	kept := make([][]discoveryv1.Endpoint, len(current))
	changed := make([]bool, len(current))
	for i, slice := range current {
		for _, e := range slice.Endpoints {
			want, ok := missing[EndpointKey(e)]
			if !ok || len(kept[i]) == MaxPerSlice {
				changed[i] = true
				continue
			}
			delete(missing, EndpointKey(e))
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
	for chunk := range slices.Chunk(rest, MaxPerSlice) {
		p.Create = append(p.Create, newSlice(owner, wanted, chunk))
	}
	if len(wanted.Endpoints) == 0 && len(current) == 0 {
		p.Create = append(p.Create, newSlice(owner, wanted, nil))
	}
}

// reuse turns pairs of a slice to create and a slice to delete into one update: a write and an object less, and readers
// never see the old and the new together. A slice's address type cannot change.
func (p *SlicePlan) reuse() {
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
		n := min(len(rest), MaxPerSlice-len(kept[i]))
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
func (p *SlicePlan) settle(
	owner SliceOwner, wanted *Group, current []*discoveryv1.EndpointSlice,
	kept [][]discoveryv1.Endpoint, changed []bool,
) {
	for i, slice := range current {
		placeholder := len(wanted.Endpoints) == 0 && i == 0
		switch {
		case len(kept[i]) == 0 && !placeholder:
			p.Delete = append(p.Delete, slice)
		case changed[i]:
			updated := newSlice(owner, wanted, kept[i])
			updated.ObjectMeta = *slice.ObjectMeta.DeepCopy()
			updated.Labels = owner.Labels
			updated.OwnerReferences = []metav1.OwnerReference{owner.Reference}
			p.Update = append(p.Update, updated)
		}
	}
}

func newSlice(owner SliceOwner, group *Group, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: owner.Service + "-", Namespace: owner.Namespace,
			Labels:          maps.Clone(owner.Labels),
			OwnerReferences: []metav1.OwnerReference{owner.Reference},
		},
		AddressType: group.AddressType,
		Ports:       group.Ports,
		Endpoints:   slices.Clone(endpoints),
	}
}

func sameOwnerAndLabels(owner SliceOwner, slice *discoveryv1.EndpointSlice) bool {
	reference := metav1.GetControllerOf(slice)
	return reference != nil && reference.UID == owner.Reference.UID && maps.Equal(slice.Labels, owner.Labels)
}

// EndpointKey tells endpoints apart: the pod, and its address.
func EndpointKey(e discoveryv1.Endpoint) string {
	key := strings.Join(e.Addresses, ",")
	if e.TargetRef != nil {
		key += "\x00" + e.TargetRef.Namespace + "/" + e.TargetRef.Name + "\x00" + string(e.TargetRef.UID)
	}
	return key
}

// SliceKey is equal for slices that may hold the same endpoints.
func SliceKey(addressType discoveryv1.AddressType, ports []discoveryv1.EndpointPort) string {
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
	return string(addressType) + "\x02" + PortsKey(core)
}
