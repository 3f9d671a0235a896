package networking

import (
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

func serviceCIDRs() *resources.Resource {
	return &resources.Resource{
		Kind:          networkingv1.SchemeGroupVersion.WithKind("ServiceCIDR"),
		Plural:        "servicecidrs",
		NameOnce:      true,
		ClusterScoped: true,
		New:           func() resources.Object { return &networkingv1.ServiceCIDR{} },
		NewList:       func() runtime.Object { return &networkingv1.ServiceCIDRList{} },
		Subresources: []resources.Subresource{
			// Upstream checks nothing but the metadata of a status.
			resources.Status(func(c, body *networkingv1.ServiceCIDR) { c.Status = body.Status },
				func(_, _ *networkingv1.ServiceCIDR) field.ErrorList { return nil }, "metadata"),
		},
		Validate: resources.Check(validateServiceCIDR),
		Idle:     "services get their addresses from the range that the API server was started with",
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0), printers.Column("CIDRs", "string", 0, networkingv1.ServiceCIDRSpec{}.SwaggerDoc()["cidrs"]), printers.AgeColumn(),
		},
		Cells: resources.Cells(func(c *networkingv1.ServiceCIDR, now time.Time) []any {
			return []any{c.Name, strings.Join(c.Spec.CIDRs, ","), printers.Age(c.CreationTimestamp, now)}
		}),
	}
}

// validateServiceCIDR takes one range, or one of each family. What is there stays; one of the other family may come.
func validateServiceCIDR(c, old *networkingv1.ServiceCIDR) field.ErrorList {
	path, cidrs := field.NewPath("spec", "cidrs"), c.Spec.CIDRs
	if old == nil {
		return validateServiceRanges(path, cidrs)
	}
	was := old.Spec.CIDRs
	grown := len(was) == 1 && len(cidrs) == 2
	if len(cidrs) != len(was) && !grown {
		return field.ErrorList{field.Invalid(path, cidrs, apivalidation.FieldImmutableErrorMsg)}
	}
	var errs field.ErrorList
	for i := range was {
		if cidrs[i] != was[i] {
			errs = append(errs, field.Invalid(path.Index(i), cidrs[i], apivalidation.FieldImmutableErrorMsg))
		}
	}
	if grown {
		errs = append(errs, validateServiceRanges(path, cidrs)...)
	}
	return errs
}

func validateServiceRanges(path *field.Path, cidrs []string) field.ErrorList {
	switch {
	case len(cidrs) == 0:
		return field.ErrorList{field.Required(path, "at least one CIDR required")}
	case len(cidrs) > 2:
		return field.ErrorList{field.Invalid(path, networkingv1.ServiceCIDRSpec{CIDRs: cidrs}, "may only hold up to 2 values")}
	}
	var errs field.ErrorList
	for i, cidr := range cidrs {
		errs = append(errs, utilvalidation.IsValidCIDR(path.Index(i), cidr)...)
	}
	if len(cidrs) == 2 {
		family := netutils.IPFamilyOfCIDRString(cidrs[0])
		if family != netutils.IPFamilyUnknown && family == netutils.IPFamilyOfCIDRString(cidrs[1]) {
			errs = append(errs, field.Invalid(path, cidrs,
				"may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"))
		}
	}
	return errs
}
