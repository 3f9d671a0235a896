package resources

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

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
