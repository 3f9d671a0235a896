package validation

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ContainerResource takes the names that a container may ask for: cpu, memory, ephemeral-storage, huge pages, and
// extended resources, which carry a domain ("nvidia.com/gpu").
func ContainerResource(path *field.Path, name corev1.ResourceName) field.ErrorList {
	errs := ResourceName(path, name)
	switch {
	case name == corev1.ResourceCPU, name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage,
		IsHugePages(name):
	case !strings.Contains(string(name), "/"):
		errs = append(errs, field.Invalid(path, name, "must be a standard resource for containers"))
	case !IsNative(name) && !isExtended(name):
		errs = append(errs, field.Invalid(path, name, "doesn't follow extended resource name standard"))
	}
	return errs
}

// ResourceName takes every name that means something anywhere: the short ones that are known, and any with a domain.
func ResourceName(path *field.Path, name corev1.ResourceName) field.ErrorList {
	if wrong := utilvalidation.IsQualifiedName(string(name)); len(wrong) > 0 {
		return Invalid(path, name, wrong)
	}
	short := !strings.Contains(string(name), "/")
	if short && !StandardResources.Has(name) && !IsHugePages(name) && !IsHugePagesRequest(name) {
		return field.ErrorList{field.Invalid(path, name, "must be a standard resource type or fully qualified")}
	}
	return nil
}

// StandardResources are the short names that mean something anywhere: in containers, on nodes, in claims and in quotas.
var StandardResources = sets.New[corev1.ResourceName]("cpu", "memory", "ephemeral-storage", "storage", "pods",
	"requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage", "limits.cpu", "limits.memory",
	"limits.ephemeral-storage", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
	"persistentvolumeclaims", "services.nodeports", "services.loadbalancers")

// IsHugePages tells the names under which containers ask for huge pages of one size.
func IsHugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// IsHugePagesRequest tells the name under which a quota counts huge pages.
func IsHugePagesRequest(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceRequestsHugePagesPrefix)
}

// IsNative tells the names that belong to Kubernetes itself.
func IsNative(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

func isExtended(name corev1.ResourceName) bool {
	return !IsNative(name) && !strings.HasPrefix(string(name), corev1.DefaultResourceRequestsPrefix) &&
		len(utilvalidation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+string(name))) == 0
}

// MayOvercommit tells the resources of which all containers together may be allowed more than the node has: cpu and memory.
func MayOvercommit(name corev1.ResourceName) bool { return IsNative(name) && !IsHugePages(name) }

// countedResources are the standard ones that come in pieces.
var countedResources = sets.New[corev1.ResourceName]("pods", "services", "replicationcontrollers", "resourcequotas",
	"secrets", "configmaps", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers")

// Positive takes no zero and no negative number.
func Positive(path *field.Path, quantity resource.Quantity) field.ErrorList {
	if quantity.Sign() <= 0 {
		return field.ErrorList{field.Invalid(path, quantity.String(), "must be greater than zero")}
	}
	return nil
}

// Quantity takes no negative number, and no fraction of what comes in pieces.
func Quantity(path *field.Path, name corev1.ResourceName, quantity resource.Quantity) field.ErrorList {
	var errs field.ErrorList
	if quantity.Sign() < 0 {
		errs = append(errs, field.Invalid(path, quantity.String(), "must be greater than or equal to 0"))
	}
	if (countedResources.Has(name) || isExtended(name)) && quantity.MilliValue()%1000 != 0 {
		errs = append(errs, field.Invalid(path, quantity, "must be an integer"))
	}
	return errs
}
