package resources

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateRequirements checks what a container asks for and what it is limited to. A request may not be above its
// limit; what cannot be shared (GPUs and other extended resources, huge pages) has one number for both.
func validateRequirements(path *field.Path, r *corev1.ResourceRequirements, claims sets.Set[string]) field.ErrorList {
	var errs field.ErrorList
	limits, requests := path.Child("limits"), path.Child("requests")
	for _, name := range sortedKeys(r.Limits) {
		errs = append(errs, containerResource(limits.Key(string(name)), name)...)
		errs = append(errs, quantityOf(limits.Key(string(name)), name, r.Limits[name])...)
	}
	for _, name := range sortedKeys(r.Requests) {
		request := r.Requests[name]
		errs = append(errs, containerResource(requests.Key(string(name)), name)...)
		errs = append(errs, quantityOf(requests.Key(string(name)), name, request)...)
		limit, limited := r.Limits[name]
		switch {
		case !limited && !mayOvercommit(name):
			errs = append(errs, field.Required(limits, "Limit must be set for non overcommitable resources"))
		case !limited:
		case request.Cmp(limit) != 0 && !mayOvercommit(name):
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
			huge = huge || isHugePages(name)
			plain = plain || name == corev1.ResourceCPU || name == corev1.ResourceMemory
		}
	}
	return huge && !plain
}

// containerResource takes the names that a container may ask for: cpu, memory, ephemeral-storage, huge pages, and
// extended resources, which carry a domain ("nvidia.com/gpu").
func containerResource(path *field.Path, name corev1.ResourceName) field.ErrorList {
	if wrong := utilvalidation.IsQualifiedName(string(name)); len(wrong) > 0 {
		return mistakes(path, name, wrong)
	}
	switch {
	case name == corev1.ResourceCPU, name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage,
		isHugePages(name):
		return nil
	case !strings.Contains(string(name), "/"):
		return append(resourceName(path, name), field.Invalid(path, name, "must be a standard resource for containers"))
	case !isNative(name) && !isExtended(name):
		return field.ErrorList{field.Invalid(path, name, "doesn't follow extended resource name standard")}
	}
	return nil
}

// resourceName takes every name that means something anywhere: the short ones that are known, and any with a domain.
func resourceName(path *field.Path, name corev1.ResourceName) field.ErrorList {
	if wrong := utilvalidation.IsQualifiedName(string(name)); len(wrong) > 0 {
		return mistakes(path, name, wrong)
	}
	short := !strings.Contains(string(name), "/")
	if short && !standardResources.Has(name) && !isHugePages(name) && !isHugePagesRequest(name) {
		return field.ErrorList{field.Invalid(path, name, "must be a standard resource type or fully qualified")}
	}
	return nil
}

// standardResources are the short names that mean something elsewhere: on nodes, in claims and in quotas.
var standardResources = sets.New[corev1.ResourceName]("cpu", "memory", "ephemeral-storage", "storage", "pods",
	"requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage", "limits.cpu", "limits.memory",
	"limits.ephemeral-storage", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
	"persistentvolumeclaims", "services.nodeports", "services.loadbalancers")

func isHugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// isHugePagesRequest tells the name under which a quota counts huge pages.
func isHugePagesRequest(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceRequestsHugePagesPrefix)
}

// isNative tells the names that belong to Kubernetes itself.
func isNative(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

func isExtended(name corev1.ResourceName) bool {
	return !isNative(name) && !strings.HasPrefix(string(name), corev1.DefaultResourceRequestsPrefix) &&
		len(utilvalidation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+string(name))) == 0
}

func mayOvercommit(name corev1.ResourceName) bool { return isNative(name) && !isHugePages(name) }

// countedResources are the standard ones that come in pieces.
var countedResources = sets.New[corev1.ResourceName]("pods", "services", "replicationcontrollers", "resourcequotas",
	"secrets", "configmaps", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers")

// positive takes no zero and no negative number.
func positive(path *field.Path, quantity resource.Quantity) field.ErrorList {
	if quantity.Sign() <= 0 {
		return field.ErrorList{field.Invalid(path, quantity.String(), "must be greater than zero")}
	}
	return nil
}

// quantityOf takes no negative number, and no fraction of what comes in pieces.
func quantityOf(path *field.Path, name corev1.ResourceName, quantity resource.Quantity) field.ErrorList {
	var errs field.ErrorList
	if quantity.Sign() < 0 {
		errs = append(errs, field.Invalid(path, quantity.String(), "must be greater than or equal to 0"))
	}
	if (countedResources.Has(name) || isExtended(name)) && quantity.MilliValue()%1000 != 0 {
		errs = append(errs, field.Invalid(path, quantity, "must be an integer"))
	}
	return errs
}
