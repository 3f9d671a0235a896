package podspec

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// ValidateRequirements checks what a container asks for and what it is limited to. A request may not be above its
// limit; what cannot be shared (GPUs and other extended resources, huge pages) has one number for both.
func ValidateRequirements(path *field.Path, r *corev1.ResourceRequirements, claims sets.Set[string]) field.ErrorList {
	return validateRequirements(path, r, claims, validation.ContainerResource)
}

// validateRequirements is the same where named says which resources there are.
func validateRequirements(path *field.Path, r *corev1.ResourceRequirements, claims sets.Set[string],
	named func(*field.Path, corev1.ResourceName) field.ErrorList) field.ErrorList {
	var errs field.ErrorList
	limits, requests := path.Child("limits"), path.Child("requests")
	for _, name := range validation.SortedKeys(r.Limits) {
		errs = append(errs, named(limits.Key(string(name)), name)...)
		errs = append(errs, validation.Quantity(limits.Key(string(name)), name, r.Limits[name])...)
		errs = append(errs, wholePages(limits.Key(string(name)), name, r.Limits[name])...)
	}
	for _, name := range validation.SortedKeys(r.Requests) {
		request := r.Requests[name]
		errs = append(errs, named(requests.Key(string(name)), name)...)
		errs = append(errs, validation.Quantity(requests.Key(string(name)), name, request)...)
		errs = append(errs, wholePages(requests.Key(string(name)), name, request)...)
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
	return append(errs, validateClaimRefs(path.Child("claims"), r.Claims, claims)...)
}

// wholePages takes no part of a huge page. A name that says no size is no name of huge pages, and told of as such.
func wholePages(path *field.Path, name corev1.ResourceName, quantity resource.Quantity) field.ErrorList {
	text, ok := strings.CutPrefix(string(name), corev1.ResourceHugePagesPrefix)
	if !ok {
		return nil
	}
	if size, err := resource.ParseQuantity(text); err == nil && size.Sign() > 0 && size.MilliValue()%1000 == 0 &&
		quantity.Value()%size.Value() == 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, quantity.String(),
		fmt.Sprintf("%s is not positive integer multiple of %s", quantity.String(), name))}
}

// validateClaimRefs takes claims that the pod names, each as a whole or request by request, and nothing of them twice.
func validateClaimRefs(path *field.Path, refs []corev1.ResourceClaim, known sets.Set[string]) field.ErrorList {
	var errs field.ErrorList
	whole, requests := sets.New[string](), sets.New[string]() // by name, and by name/request
	for i, ref := range refs {
		at, key := path.Index(i), ref.Name
		if ref.Name == "" {
			errs = append(errs, field.Required(at, ""))
			continue
		}
		if whole.Has(ref.Name) {
			errs = append(errs, field.Duplicate(at, ref.Name))
		} else if ref.Request == "" {
			for request := range requests {
				if name, _, _ := strings.Cut(request, "/"); name == ref.Name {
					errs = append(errs, field.Duplicate(at, ref.Name))
				}
			}
			whole.Insert(ref.Name)
		} else {
			errs = append(errs, validation.DNSLabel(at.Child("request"), ref.Request)...)
			if key += "/" + ref.Request; requests.Has(key) {
				errs = append(errs, field.Duplicate(at, key))
			}
			requests.Insert(key)
		}
		if !known.Has(ref.Name) {
			missing := field.NotFound(at, ref.Name)
			missing.Detail = "must be one of the names in pod.spec.resourceClaims"
			if len(known) == 0 {
				missing.Detail += " which is empty"
			} else {
				missing.Detail += ": " + strings.Join(sets.List(known), ", ")
			}
			errs = append(errs, missing)
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
