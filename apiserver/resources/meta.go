package resources

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateMeta checks the metadata of any object as upstream does for every kind: name, generateName, labels,
// annotations, owners and finalizers, and on update (old is not nil) what may not change. The name has to be there
// already: generateName is made into one before.
func ValidateMeta(r *Resource, obj, old Object) field.ErrorList {
	name := r.Name
	if name == nil {
		name = apivalidation.NameIsDNSSubdomain
	}
	path := field.NewPath("metadata")
	errs := apivalidation.ValidateObjectMetaAccessor(obj, !r.ClusterScoped, name, path)
	for i, name := range obj.GetFinalizers() {
		if !strings.Contains(name, "/") && !standardFinalizers.Has(name) {
			errs = append(errs, field.Invalid(path.Child("finalizers").Index(i), name,
				"name is neither a standard finalizer name nor is it fully qualified"))
		}
	}
	if old != nil {
		errs = append(errs, apivalidation.ValidateObjectMetaAccessorUpdate(obj, old, path)...)
	}
	return errs
}

// standardFinalizers are those that need no domain.
var standardFinalizers = sets.New(string(corev1.FinalizerKubernetes), metav1.FinalizerOrphanDependents,
	metav1.FinalizerDeleteDependents)

// The checks below say what most kinds have in common, in upstream's words.

// mistakes makes one mistake of each message that a check of apimachinery returned.
func mistakes(path *field.Path, value any, messages []string) field.ErrorList {
	var errs field.ErrorList
	for _, message := range messages {
		errs = append(errs, field.Invalid(path, value, message))
	}
	return errs
}

func notNegative[T ~int32 | ~int64](path *field.Path, value T) field.ErrorList {
	return apivalidation.ValidateNonnegativeField(int64(value), path)
}

// oneOf takes only the given values, and names them in the given order, which is upstream's. An empty one is a value
// that is missing: Default fills it in where it may be.
func oneOf[T ~string](path *field.Path, value T, allowed ...T) field.ErrorList {
	switch {
	case value == "":
		return field.ErrorList{field.Required(path, "")}
	case !slices.Contains(allowed, value):
		return field.ErrorList{field.NotSupported(path, value, allowed)}
	}
	return nil
}

// supported is oneOf where an empty value is as wrong as any other that is not listed, and not called missing.
func supported[T ~string](path *field.Path, value T, allowed ...T) field.ErrorList {
	if slices.Contains(allowed, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, allowed)}
}

func dnsLabel(path *field.Path, value string) field.ErrorList {
	return mistakes(path, value, utilvalidation.IsDNS1123Label(value))
}

func dnsSubdomain(path *field.Path, value string) field.ErrorList {
	return mistakes(path, value, utilvalidation.IsDNS1123Subdomain(value))
}

func qualifiedName(path *field.Path, value string) field.ErrorList {
	return mistakes(path, value, utilvalidation.IsQualifiedName(value))
}

// pathSegmentName takes every name that fits into a URL as one segment of its path: the names of RBAC have colons.
func pathSegmentName(name string, prefix bool) []string {
	if prefix { // what follows makes a name of ".." as well
		return content.IsPathSegmentPrefix(name)
	}
	return content.IsPathSegmentName(name)
}

// requiredSegment is the name of something that has to be named, and that may be of a kind with loose rules for names.
// Missing is what is said where it is not named.
func requiredSegment(path *field.Path, value, missing string) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, missing)}
	}
	return mistakes(path, value, content.IsPathSegmentName(value))
}

func portNumber(path *field.Path, port int32) field.ErrorList {
	return mistakes(path, port, utilvalidation.IsValidPortNum(int(port)))
}

func labelsOf(path *field.Path, labels map[string]string) field.ErrorList {
	return metav1validation.ValidateLabels(labels, path)
}

func immutable(path *field.Path, value, old any) field.ErrorList {
	return apivalidation.ValidateImmutableField(value, old, path)
}

// sortedKeys lets checks of maps name their mistakes in one order.
func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// unique reports each value but the first of its kind.
type unique map[string]bool

func (u unique) add(path *field.Path, value string) field.ErrorList {
	if u[value] {
		return field.ErrorList{field.Duplicate(path, value)}
	}
	u[value] = true
	return nil
}
