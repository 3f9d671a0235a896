package discovery

import (
	"net/netip"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
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
		Validate:   resources.Check(validateEndpointSlice),
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

// What one slice holds at most (pkg/apis/discovery/validation).
const (
	maxAddresses = 100
	maxPorts     = 20000
	maxEndpoints = 1000
)

func validateEndpointSlice(s, old *discoveryv1.EndpointSlice) field.ErrorList {
	errs := validation.OneOf(field.NewPath("addressType"), s.AddressType,
		discoveryv1.AddressTypeFQDN, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6)
	path := field.NewPath("endpoints")
	if len(s.Endpoints) > maxEndpoints {
		errs = append(errs, field.TooMany(path, len(s.Endpoints), maxEndpoints))
	}
	for i := range s.Endpoints {
		errs = append(errs, validateEndpoint(path.Index(i), &s.Endpoints[i], s.AddressType)...)
	}
	errs = append(errs, validateSlicePorts(field.NewPath("ports"), s.Ports)...)
	if old != nil {
		errs = append(errs, validation.Immutable(field.NewPath("addressType"), s.AddressType, old.AddressType)...)
	}
	return errs
}

func validateEndpoint(path *field.Path, e *discoveryv1.Endpoint, kind discoveryv1.AddressType) field.ErrorList {
	var errs field.ErrorList
	addresses := path.Child("addresses")
	if len(e.Addresses) == 0 {
		errs = append(errs, field.Required(addresses, "must contain at least 1 endpoint"))
	}
	if len(e.Addresses) > maxAddresses {
		errs = append(errs, field.TooMany(addresses, len(e.Addresses), maxAddresses))
	}
	for i, a := range e.Addresses {
		at := addresses.Index(i)
		ip, err := netip.ParseAddr(a)
		switch kind {
		case discoveryv1.AddressTypeIPv4:
			if err != nil || !ip.Is4() {
				errs = append(errs, field.Invalid(at, a, "must be a valid IPv4 address"))
			} else {
				errs = append(errs, validation.NonSpecialIP(at, a)...)
			}
		case discoveryv1.AddressTypeIPv6:
			if err != nil || !ip.Is6() {
				errs = append(errs, field.Invalid(at, a, "must be a valid IPv6 address"))
			} else {
				errs = append(errs, validation.NonSpecialIP(at, a)...)
			}
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
		errs = append(errs, validation.Protocol(at.Child("protocol"), ptr.Deref(p.Protocol, ""))...)
		if p.Port != nil {
			errs = append(errs, validation.PortNumber(at.Child("port"), *p.Port)...)
		}
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
