package resources

import (
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func endpoints() *Resource {
	return &Resource{
		Kind:           corev1.SchemeGroupVersion.WithKind("Endpoints"),
		Plural:         "endpoints",
		CreateOnUpdate: true,
		ShortNames:     []string{"ep"},
		Deprecated:     "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
		New:            func() Object { return &corev1.Endpoints{} },
		NewList:        func() runtime.Object { return &corev1.EndpointsList{} },
		Default:        each(defaultEndpoints),
		Validate:       check(validateEndpoints),
		Columns: []metav1.TableColumnDefinition{
			nameColumn(0), column("Endpoints", "string", 0, corev1.Endpoints{}.SwaggerDoc()["subsets"]), ageColumn(),
		},
		Cells: cells(func(e *corev1.Endpoints, now time.Time) []any {
			return []any{e.Name, endpointsCell(e), age(e.CreationTimestamp, now)}
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
				errs = append(errs, dnsLabel(at.Child("name"), p.Name)...)
			}
			errs = append(errs, portNumber(at.Child("port"), p.Port)...)
			errs = append(errs, validateProtocol(at.Child("protocol"), p.Protocol)...)
			if p.AppProtocol != nil {
				errs = append(errs, qualifiedName(at.Child("appProtocol"), *p.AppProtocol)...)
			}
		}
	}
	return errs
}

func validateEndpointAddress(path *field.Path, a *corev1.EndpointAddress) field.ErrorList {
	errs := utilvalidation.IsValidIP(path.Child("ip"), a.IP)
	if a.Hostname != "" {
		errs = append(errs, dnsLabel(path.Child("hostname"), a.Hostname)...)
	}
	if a.NodeName != nil {
		errs = append(errs, dnsSubdomain(path.Child("nodeName"), *a.NodeName)...)
	}
	return append(errs, notSpecial(path.Child("ip"), a.IP)...)
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
		return none
	}
	return atMost(list)
}
