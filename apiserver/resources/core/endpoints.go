package core

import (
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func endpoints() *resources.Resource {
	return &resources.Resource{
		Kind:           corev1.SchemeGroupVersion.WithKind("Endpoints"),
		Plural:         "endpoints",
		CreateOnUpdate: true,
		ShortNames:     []string{"ep"},
		Deprecated:     "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
		New:            func() resources.Object { return &corev1.Endpoints{} },
		NewList:        func() runtime.Object { return &corev1.EndpointsList{} },
		Default:        resources.Each(defaultEndpoints),
		Validate:       resources.Check(validateEndpoints),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0), printers.Column("Endpoints", "string", 0, corev1.Endpoints{}.SwaggerDoc()["subsets"]), printers.AgeColumn(),
		},
		Cells: resources.Cells(func(e *corev1.Endpoints, now time.Time) []any {
			return []any{e.Name, endpointsCell(e), printers.Age(e.CreationTimestamp, now)}
		}),
	}
}

func defaultEndpoints(e *corev1.Endpoints) {
	for i := range e.Subsets {
		for j := range e.Subsets[i].Ports {
			if p := &e.Subsets[i].Ports[j]; p.Protocol == "" {
				p.Protocol = corev1.ProtocolTCP
			}
		}
	}
}

func validateEndpoints(e, _ *corev1.Endpoints) field.ErrorList {
	var errs field.ErrorList
	for i := range e.Subsets {
		s, path := &e.Subsets[i], field.NewPath("subsets").Index(i)
		if len(s.Addresses)+len(s.NotReadyAddresses) == 0 {
			errs = append(errs, field.Required(path, "must specify `addresses` or `notReadyAddresses`"))
		}
		for j := range s.Addresses {
			errs = append(errs, validateEndpointAddress(path.Child("addresses").Index(j), &s.Addresses[j])...)
		}
		for j := range s.NotReadyAddresses {
			errs = append(errs, validateEndpointAddress(path.Child("notReadyAddresses").Index(j), &s.NotReadyAddresses[j])...)
		}
		for j, p := range s.Ports {
			at := path.Child("ports").Index(j)
			if p.Name == "" && len(s.Ports) > 1 {
				errs = append(errs, field.Required(at.Child("name"), ""))
			} else if p.Name != "" {
				errs = append(errs, validation.DNSLabel(at.Child("name"), p.Name)...)
			}
			errs = append(errs, validation.PortNumber(at.Child("port"), p.Port)...)
			errs = append(errs, validation.Protocol(at.Child("protocol"), p.Protocol)...)
			if p.AppProtocol != nil {
				errs = append(errs, validation.QualifiedName(at.Child("appProtocol"), *p.AppProtocol)...)
			}
		}
	}
	return errs
}

func validateEndpointAddress(path *field.Path, a *corev1.EndpointAddress) field.ErrorList {
	errs := utilvalidation.IsValidIP(path.Child("ip"), a.IP)
	if a.Hostname != "" {
		errs = append(errs, validation.DNSLabel(path.Child("hostname"), a.Hostname)...)
	}
	if a.NodeName != nil {
		errs = append(errs, validation.DNSSubdomain(path.Child("nodeName"), *a.NodeName)...)
	}
	return append(errs, validation.NonSpecialIP(path.Child("ip"), a.IP)...)
}

// endpointsCell shows the first three addresses with their ports.
func endpointsCell(e *corev1.Endpoints) string {
	var list []string
	for _, s := range e.Subsets {
		if len(s.Ports) == 0 { // the endpoints of a headless service may have none
			for _, a := range s.Addresses {
				list = append(list, a.IP)
			}
		}
		for _, p := range s.Ports {
			for _, a := range s.Addresses {
				list = append(list, net.JoinHostPort(a.IP, strconv.Itoa(int(p.Port))))
			}
		}
	}
	if len(e.Subsets) == 0 {
		return printers.None
	}
	return printers.FirstThree(list)
}
