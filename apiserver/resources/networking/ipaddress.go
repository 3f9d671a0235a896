package networking

import (
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func ipAddresses() *resources.Resource {
	return &resources.Resource{
		Kind:          networkingv1.SchemeGroupVersion.WithKind("IPAddress"),
		Plural:        "ipaddresses",
		ShortNames:    []string{"ip"},
		ClusterScoped: true,
		New:           func() resources.Object { return &networkingv1.IPAddress{} },
		NewList:       func() runtime.Object { return &networkingv1.IPAddressList{} },
		Validate:      resources.Check(validateIPAddress),
		Name:          addressName,
		Idle:          "services get their addresses without it, and may get this one too",
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("ParentRef", "string", 0, networkingv1.IPAddressSpec{}.SwaggerDoc()["parentRef"]),
		},
		Cells: resources.Cells(func(a *networkingv1.IPAddress, _ time.Time) []any {
			return []any{a.Name, parentCell(a.Spec.ParentRef)}
		}),
	}
}

// addressName takes an address in its one canonical form, so that no two objects are about the same address.
func addressName(name string, _ bool) []string {
	var messages []string
	for _, err := range utilvalidation.IsValidIP(nil, name) {
		messages = append(messages, err.Detail)
	}
	return messages
}

func validateIPAddress(a, old *networkingv1.IPAddress) field.ErrorList {
	path, parent := field.NewPath("spec", "parentRef"), a.Spec.ParentRef
	var errs field.ErrorList
	if parent == nil {
		errs = append(errs, field.Required(path, ""))
	} else {
		if parent.Group != "" {
			errs = append(errs, validation.DNSSubdomain(path.Child("group"), parent.Group)...)
		}
		errs = append(errs, validation.RequiredPathSegment(path.Child("resource"), parent.Resource, "")...)
		errs = append(errs, validation.RequiredPathSegment(path.Child("name"), parent.Name, "")...)
		if parent.Namespace != "" {
			errs = append(errs, validation.RequiredPathSegment(path.Child("namespace"), parent.Namespace, "")...)
		}
	}
	if old != nil {
		errs = append(errs, validation.Unchanged(path, parent, old.Spec.ParentRef)...)
	}
	return errs
}

// parentCell names the object that has the address: services/default/web.
func parentCell(p *networkingv1.ParentReference) string {
	if p == nil {
		return printers.None
	}
	resource := schema.GroupResource{Group: p.Group, Resource: p.Resource}
	parts := []string{strings.ToLower(resource.String())}
	if p.Namespace != "" {
		parts = append(parts, p.Namespace)
	}
	return strings.Join(append(parts, p.Name), "/")
}
