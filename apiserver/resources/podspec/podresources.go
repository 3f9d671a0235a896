package podspec

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/component-helpers/resource"

	"minik.dev/apiserver/resources/validation"
)

// validatePodResources checks what a pod asks for as a whole: no less than its containers do together, and no container may have more.
func validatePodResources(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	r := spec.Resources
	if r == nil {
		return nil
	}
	at := path.Child("resources")
	if spec.OS != nil && spec.OS.Name == corev1.Windows {
		return field.ErrorList{field.Forbidden(at, "may not be set for a windows pod")}
	}
	var errs field.ErrorList
	if r.Claims != nil {
		errs = append(errs, field.Forbidden(at.Child("claims"), "claims may not be set for Resources at pod-level"))
	}
	errs = append(errs, validateRequirements(at, r, claimNames(spec), podResource)...)
	pod := &corev1.Pod{Spec: *spec}
	requests := resource.AggregateContainerRequests(pod, resource.PodResourcesOptions{})
	for _, name := range validation.SortedKeys(requests) {
		sum := requests[name]
		if asked, ok := r.Requests[name]; ok && sum.Cmp(asked) > 0 {
			errs = append(errs, field.Invalid(at.Child("requests").Key(string(name)), asked.String(),
				fmt.Sprintf("must be greater than or equal to aggregate container requests of %s", sum.String())))
		}
	}
	limits := resource.AggregateContainerLimits(pod, resource.PodResourcesOptions{})
	for _, name := range validation.SortedKeys(limits) {
		sum := limits[name]
		if limit, ok := r.Limits[name]; ok && validation.IsHugePages(name) && sum.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(at.Child("limits").Key(string(name)), limit.String(),
				fmt.Sprintf("must be greater than or equal to aggregate container limits of %s", sum.String())))
		}
	}
	for i, c := range spec.Containers {
		for _, name := range validation.SortedKeys(c.Resources.Limits) {
			is := c.Resources.Limits[name]
			if limit, ok := r.Limits[name]; ok && is.Cmp(limit) > 0 {
				errs = append(errs, field.Invalid(at.Child("containers").Index(i).Key(string(name)).Child("limits"), is.String(),
					fmt.Sprintf("must be less than or equal to pod limits of %s", limit.String())))
			}
		}
	}
	return errs
}

// podResource takes what a pod may ask for as a whole.
func podResource(path *field.Path, name corev1.ResourceName) field.ErrorList {
	if wrong := validation.ResourceName(path, name); len(wrong) > 0 {
		return wrong
	}
	if !resource.IsSupportedPodLevelResource(name) {
		return field.ErrorList{field.NotSupported(path, name, sets.List(resource.SupportedPodLevelResources()))}
	}
	return nil
}

// validateClaims checks the devices that a pod names for its containers to ask for.
func validateClaims(path *field.Path, claims []corev1.PodResourceClaim) field.ErrorList {
	var errs field.ErrorList
	names := validation.Unique{}
	for i, claim := range claims {
		at := path.Index(i)
		if claim.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		} else if twice := names.Add(at.Child("name"), claim.Name); len(twice) > 0 {
			errs = append(errs, twice...)
		} else {
			errs = append(errs, validation.DNSLabel(at.Child("name"), claim.Name)...)
		}
		switch {
		case claim.ResourceClaimName != nil && claim.ResourceClaimTemplateName != nil:
			errs = append(errs, field.Invalid(at, claim,
				"at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"))
		case claim.ResourceClaimName == nil && claim.ResourceClaimTemplateName == nil:
			errs = append(errs, field.Invalid(at, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"))
		}
		if claim.ResourceClaimName != nil {
			errs = append(errs, validation.DNSSubdomain(at.Child("resourceClaimName"), *claim.ResourceClaimName)...)
		}
		if claim.ResourceClaimTemplateName != nil {
			errs = append(errs, validation.DNSSubdomain(at.Child("resourceClaimTemplateName"), *claim.ResourceClaimTemplateName)...)
		}
	}
	return errs
}

func claimNames(spec *corev1.PodSpec) sets.Set[string] {
	names := sets.New[string]()
	for _, claim := range spec.ResourceClaims {
		if claim.Name != "" {
			names.Insert(claim.Name)
		}
	}
	return names
}

// DefaultPodResources completes what a new pod asks for as a whole, from what its containers ask for together. It comes late, when all
// containers are there.
func DefaultPodResources(spec *corev1.PodSpec) {
	r := spec.Resources
	if r == nil || len(r.Requests)+len(r.Limits) == 0 {
		return
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: spec.Containers, InitContainers: spec.InitContainers}}
	requests := resource.AggregateContainerRequests(pod, resource.PodResourcesOptions{})
	limits := resource.AggregateContainerLimits(pod, resource.PodResourcesOptions{})
	fill := func(list *corev1.ResourceList, from corev1.ResourceList, fits func(corev1.ResourceName) bool) {
		for name, quantity := range from {
			if _, said := (*list)[name]; !said && resource.IsSupportedPodLevelResource(name) && fits(name) {
				if *list == nil {
					*list = corev1.ResourceList{}
				}
				(*list)[name] = quantity.DeepCopy()
			}
		}
	}
	fill(&r.Limits, limits, func(name corev1.ResourceName) bool {
		_, asked := r.Requests[name]
		return validation.IsHugePages(name) && !asked
	})
	fill(&r.Requests, requests, validation.MayOvercommit)
	fill(&r.Requests, r.Limits, func(corev1.ResourceName) bool { return true })
	bounded := corev1.ResourceList{} // what every container has a limit of, and no less than is asked for
	for name, asked := range r.Requests {
		limit, ok := limits[name]
		forEvery(spec, func(c *corev1.Container) {
			_, has := c.Resources.Limits[name]
			ok = ok && has
		})
		if ok && asked.Cmp(limit) > 0 {
			limit = asked
		}
		if ok {
			bounded[name] = limit
		}
	}
	fill(&r.Limits, bounded, func(corev1.ResourceName) bool { return true })
}
