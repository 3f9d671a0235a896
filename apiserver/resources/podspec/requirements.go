package podspec

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// ValidateRequirements checks what a container asks for and what it is limited to. A request may not be above its
// limit; what cannot be shared (GPUs and other extended resources, huge pages) has one number for both.
func ValidateRequirements(path *field.Path, r *corev1.ResourceRequirements, claims sets.Set[string]) field.ErrorList {
	var errs field.ErrorList
	limits, requests := path.Child("limits"), path.Child("requests")
	for _, name := range validation.SortedKeys(r.Limits) {
		errs = append(errs, validation.ContainerResource(limits.Key(string(name)), name)...)
		errs = append(errs, validation.Quantity(limits.Key(string(name)), name, r.Limits[name])...)
	}
	for _, name := range validation.SortedKeys(r.Requests) {
		request := r.Requests[name]
		errs = append(errs, validation.ContainerResource(requests.Key(string(name)), name)...)
		errs = append(errs, validation.Quantity(requests.Key(string(name)), name, request)...)
		limit, limited := r.Limits[name]
		switch {
		case !limited && !validation.MayOvercommit(name):
			errs = append(errs, field.Required(limits, "Limit must be set for non overcommitable resources"))
		case !limited:
		case request.Cmp(limit) != 0 && !validation.MayOvercommit(name):
			errs = append(errs, field.Invalid(requests, request.String(),
				fmt.Sprintf("must be equal to %s limit of %s", name, limit.String())))
		case request.Cmp(limit) > 0:
			errs = append(errs, field.Invalid(requests, request.String(),
				fmt.Sprintf("must be less than or equal to %s limit of %s", name, limit.String())))
		}
	}
	if hugePagesAlone(r) {
		errs = append(errs, field.Forbidden(path, "HugePages require cpu or memory"))
	}
	for i, claim := range r.Claims {
		if claim.Name == "" {
			errs = append(errs, field.Required(path.Child("claims").Index(i), ""))
		} else if !claims.Has(claim.Name) {
			errs = append(errs, field.NotFound(path.Child("claims").Index(i), claim.Name))
		}
	}
	return errs
}

func hugePagesAlone(r *corev1.ResourceRequirements) bool {
	huge, plain := false, false
	for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
		for name := range list {
			huge = huge || validation.IsHugePages(name)
			plain = plain || name == corev1.ResourceCPU || name == corev1.ResourceMemory
		}
	}
	return huge && !plain
}
