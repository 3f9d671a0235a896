package resources

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateMeta checks the metadata of any object as upstream does for every kind: name, generateName, labels,
// annotations, owners and finalizers, and on update (old is not nil) what may not change. The name has to be there
// already: generateName is made into one before.
func ValidateMeta(r *Resource, obj, old Object) field.ErrorList {
	name := r.Name
	if name == nil {
		name = validation.NameIsDNSSubdomain
	}
	path := field.NewPath("metadata")
	errs := validation.ValidateObjectMetaAccessor(obj, !r.ClusterScoped, name, path)
	if old != nil {
		errs = append(errs, validation.ValidateObjectMetaAccessorUpdate(obj, old, path)...)
	}
	return errs
}

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
	return validation.ValidateNonnegativeField(int64(value), path)
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

func dnsLabel(path *field.Path, value string) field.ErrorList {
	return mistakes(path, value, utilvalidation.IsDNS1123Label(value))
}

func dnsSubdomain(path *field.Path, value string) field.ErrorList {
	return mistakes(path, value, utilvalidation.IsDNS1123Subdomain(value))
}

func qualifiedName(path *field.Path, value string) field.ErrorList {
	return mistakes(path, value, utilvalidation.IsQualifiedName(value))
}

func portNumber(path *field.Path, port int32) field.ErrorList {
	return mistakes(path, port, utilvalidation.IsValidPortNum(int(port)))
}

func labelsOf(path *field.Path, labels map[string]string) field.ErrorList {
	return metav1validation.ValidateLabels(labels, path)
}

func immutable(path *field.Path, value, old any) field.ErrorList {
	return validation.ValidateImmutableField(value, old, path)
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
