package resource

import (
	"fmt"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Expressions in CEL choose devices. minik has no CEL: they have to be there, and not too long; nobody has looked into them.

// validateSelectors checks the expressions of a class or a request; those that are stored may be longer than new ones.
func validateSelectors(path *field.Path, selectors []resourcev1.DeviceSelector, stored bool) field.ErrorList {
	return list(path, selectors, resourcev1.DeviceSelectorsMaxSize, func(at *field.Path, s *resourcev1.DeviceSelector) field.ErrorList {
		if s.CEL == nil {
			return field.ErrorList{field.Required(at.Child("cel"), "")}
		}
		return validateExpression(at.Child("cel", "expression"), s.CEL.Expression, stored)
	})
}

func validateExpression(path *field.Path, expression string, stored bool) field.ErrorList {
	switch {
	case stored:
	case expression == "":
		return field.ErrorList{field.Invalid(path, expression, "compilation failed: there is no expression")}
	case len(expression) > resourcev1.CELSelectorExpressionMaxLength:
		return field.ErrorList{field.TooLong(path, "", resourcev1.CELSelectorExpressionMaxLength)}
	}
	return nil
}

// warnSelectors says of each expression that nobody has looked into it.
func warnSelectors(path *field.Path, selectors []resourcev1.DeviceSelector) []string {
	var out []string
	for i := range selectors {
		if selectors[i].CEL != nil {
			out = append(out, fmt.Sprintf("%s is not honoured by minik yet: it is not compiled, so a mistake in it is not found",
				path.Index(i).Child("cel", "expression")))
		}
	}
	return out
}

// warnDeviceClaim does so for every request of a claim.
func warnDeviceClaim(path *field.Path, d *resourcev1.DeviceClaim) []string {
	var out []string
	for i := range d.Requests {
		at := path.Child("requests").Index(i)
		if exactly := d.Requests[i].Exactly; exactly != nil {
			out = append(out, warnSelectors(at.Child("exactly", "selectors"), exactly.Selectors)...)
		}
		for j := range d.Requests[i].FirstAvailable {
			out = append(out, warnSelectors(at.Child("firstAvailable").Index(j).Child("selectors"), d.Requests[i].FirstAvailable[j].Selectors)...)
		}
	}
	return out
}
