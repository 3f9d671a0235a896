package resources

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
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
