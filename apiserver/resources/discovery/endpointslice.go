package discovery

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func endpointSlices() *resources.Resource {
	doc := discoveryv1.EndpointSlice{}.SwaggerDoc()
	return &resources.Resource{
		Kind:       discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"),
		Plural:     "endpointslices",
		New:        func() resources.Object { return &discoveryv1.EndpointSlice{} },
		NewList:    func() runtime.Object { return &discoveryv1.EndpointSliceList{} },
		Generation: true,
		Default:    resources.Each(defaultEndpointSlice),
		Prepare:    resources.Pair(prepareEndpointSlice),
		Validate:   resources.Check(validateEndpointSlice),
		Warn:       resources.Warn(warnEndpointSlice),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("AddressType", "string", 0, doc["addressType"]),
			printers.Column("Ports", "string", 0, doc["ports"]),
			printers.Column("Endpoints", "string", 0, doc["endpoints"]),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(endpointSliceCells),
	}
}

func defaultEndpointSlice(s *discoveryv1.EndpointSlice) {
	for i := range s.Ports {
		p := &s.Ports[i]
		if p.Name == nil {
			p.Name = ptr.To("")
		}
		if p.Protocol == nil {
			p.Protocol = ptr.To(corev1.ProtocolTCP)
		}
	}
}

// prepareEndpointSlice drops the topology of v1beta1 where the endpoints change, and counts changes of labels, too: they say whose
// endpoints these are. Changes of the rest are counted for every kind.
func prepareEndpointSlice(s, old *discoveryv1.EndpointSlice) {
	same := old != nil && equality.Semantic.DeepEqual(s.Endpoints, old.Endpoints)
	if old != nil && !(same && equality.Semantic.DeepEqual(s.Labels, old.Labels)) {
		s.Generation = old.Generation + 1
	}
	if same {
		return
	}
	for i := range s.Endpoints {
		s.Endpoints[i].DeprecatedTopology = nil
	}
}

// warnEndpointSlice warns of addresses that not everybody reads alike, unless a controller of Kubernetes itself wrote them. The type of the
// addresses, which does not change, is spoken of once.
func warnEndpointSlice(s, old *discoveryv1.EndpointSlice) []string {
	var out []string
	if old == nil && s.AddressType == discoveryv1.AddressTypeFQDN {
		out = append(out, "spec.addressType: FQDN endpoints are deprecated")
	}
	switch s.Labels[discoveryv1.LabelManagedBy] {
	case "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io":
		return out
	}
	for i := range s.Endpoints {
		for j, address := range s.Endpoints[i].Addresses {
			at := field.NewPath("endpoints").Index(i).Child("addresses").Index(j)
			out = append(out, utilvalidation.GetWarningsForIP(at, address)...)
		}
	}
	return out
}

// What one slice holds at most (pkg/apis/discovery/validation).
const (
	maxAddresses = 100
	maxPorts     = 20000
	maxEndpoints = 1000
	maxTopology  = 16
	maxHints     = 8
)

func validateEndpointSlice(s, old *discoveryv1.EndpointSlice) field.ErrorList {
	errs := validation.OneOf(field.NewPath("addressType"), s.AddressType,
		discoveryv1.AddressTypeFQDN, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6)
	path := field.NewPath("endpoints")
	if len(s.Endpoints) > maxEndpoints {
		errs = append(errs, field.TooMany(path, len(s.Endpoints), maxEndpoints))
	}
	if old == nil || !equality.Semantic.DeepEqual(s.Endpoints, old.Endpoints) {
		for i := range s.Endpoints {
			errs = append(errs, validateEndpoint(path.Index(i), &s.Endpoints[i], s.AddressType)...)
		}
	}
	errs = append(errs, validateSlicePorts(field.NewPath("ports"), s.Ports)...)
	if old != nil {
		errs = append(errs, validation.Unchanged(field.NewPath("addressType"), s.AddressType, old.AddressType)...)
	}
	return errs
}

func validateEndpoint(path *field.Path, e *discoveryv1.Endpoint, kind discoveryv1.AddressType) field.ErrorList {
	var errs field.ErrorList
	addresses := path.Child("addresses")
	if len(e.Addresses) == 0 {
		errs = append(errs, field.Required(addresses, ""))
	}
	if len(e.Addresses) > maxAddresses {
		errs = append(errs, field.TooMany(addresses, len(e.Addresses), maxAddresses))
	}
	for i, a := range e.Addresses {
		at := addresses.Index(i)
		switch kind {
		case discoveryv1.AddressTypeIPv4:
			if wrong := utilvalidation.IsValidIPForLegacyField(at, a, true, nil); len(wrong) > 0 {
				errs = append(errs, wrong...)
				break
			}
			if !netutils.IsIPv4String(a) {
				errs = append(errs, field.Invalid(addresses, a, "must be an IPv4 address"))
			}
			errs = append(errs, validation.NonSpecialIP(at, a)...)
		case discoveryv1.AddressTypeIPv6:
			if wrong := utilvalidation.IsValidIP(at, a); len(wrong) > 0 {
				errs = append(errs, wrong...)
				break
			}
			if !netutils.IsIPv6String(a) {
				errs = append(errs, field.Invalid(addresses, a, "must be an IPv6 address"))
			}
			errs = append(errs, validation.NonSpecialIP(at, a)...)
		case discoveryv1.AddressTypeFQDN:
			errs = append(errs, utilvalidation.IsFullyQualifiedDomainName(at, a)...)
		}
	}
	if e.NodeName != nil {
		errs = append(errs, validation.DNSSubdomain(path.Child("nodeName"), *e.NodeName)...)
	}
	if e.Hostname != nil {
		errs = append(errs, validation.DNSLabel(path.Child("hostname"), *e.Hostname)...)
	}
	errs = append(errs, validation.Labels(path.Child("deprecatedTopology"), e.DeprecatedTopology)...)
	if len(e.DeprecatedTopology) > maxTopology {
		errs = append(errs, field.TooMany(path.Child("deprecatedTopology"), len(e.DeprecatedTopology), maxTopology))
	}
	return append(errs, validateHints(path.Child("hints"), e.Hints)...)
}

func validateHints(path *field.Path, hints *discoveryv1.EndpointHints) field.ErrorList {
	if hints == nil {
		return nil
	}
	if n := len(hints.ForZones); n > maxHints {
		return field.ErrorList{field.TooMany(path.Child("forZones"), n, maxHints)}
	}
	var errs field.ErrorList
	zones, nodes := validation.Unique{}, validation.Unique{}
	for i, zone := range hints.ForZones {
		at := path.Child("forZones").Index(i).Child("name")
		errs = append(errs, zones.Add(at, zone.Name)...)
		errs = append(errs, validation.Invalid(at, zone.Name, utilvalidation.IsValidLabelValue(zone.Name))...)
	}
	if n := len(hints.ForNodes); n > maxHints {
		return append(errs, field.TooMany(path.Child("forNodes"), n, maxHints))
	}
	for i, node := range hints.ForNodes {
		at := path.Child("forNodes").Index(i).Child("name")
		errs = append(errs, nodes.Add(at, node.Name)...)
		errs = append(errs, validation.DNSSubdomain(at, node.Name)...)
	}
	return errs
}

func validateSlicePorts(path *field.Path, ports []discoveryv1.EndpointPort) field.ErrorList {
	var errs field.ErrorList
	if len(ports) > maxPorts {
		errs = append(errs, field.TooMany(path, len(ports), maxPorts))
	}
	names := validation.Unique{}
	for i, p := range ports {
		at := path.Index(i)
		if name := ptr.Deref(p.Name, ""); name != "" {
			errs = append(errs, validation.DNSLabel(at.Child("name"), name)...)
		}
		errs = append(errs, names.Add(at.Child("name"), ptr.Deref(p.Name, ""))...)
		errs = append(errs, validation.Supported(at.Child("protocol"), ptr.Deref(p.Protocol, ""), corev1.ProtocolSCTP, corev1.ProtocolTCP,
			corev1.ProtocolUDP)...)
		if p.AppProtocol != nil {
			errs = append(errs, validation.QualifiedName(at.Child("appProtocol"), *p.AppProtocol)...)
		}
	}
	return errs
}

func endpointSliceCells(s *discoveryv1.EndpointSlice, now time.Time) []any {
	var ports, addresses []string
	for _, p := range s.Ports {
		switch {
		case p.Port != nil:
			ports = append(ports, strconv.Itoa(int(*p.Port)))
		case p.Name != nil:
			ports = append(ports, *p.Name)
		default:
			ports = append(ports, "*")
		}
	}
	for _, e := range s.Endpoints {
		addresses = append(addresses, e.Addresses...)
	}
	return []any{
		s.Name, string(s.AddressType), printers.OrUnset(printers.FirstThree(ports)), printers.OrUnset(printers.FirstThree(addresses)), printers.Age(s.CreationTimestamp, now),
	}
}
