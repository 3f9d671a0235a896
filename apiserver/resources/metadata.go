package resources

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	apipath "k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateMeta checks the metadata of any object as upstream does for every kind: name, generateName, labels,
// annotations, owners and finalizers, and on update (old is not nil) what may not change. The name has to be there
// already: generateName is made into one before.
func ValidateMeta(r *Resource, obj, old Object) field.ErrorList {
	path := field.NewPath("metadata")
	var errs field.ErrorList
	if old == nil || !r.NameOnce {
		name := r.Name
		if name == nil {
			name = apivalidation.NameIsDNSSubdomain
		}
		errs = apivalidation.ValidateObjectMetaAccessor(obj, !r.ClusterScoped, name, path)
	}
	if old != nil {
		errs = append(errs, metaUpdate(r, obj, old)...)
	}
	return append(errs, metaFinalizers(r, obj)...)
}

// metaFinalizers asks finalizers for a domain, unless they are Kubernetes' own.
func metaFinalizers(r *Resource, obj Object) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("metadata")
	for i, name := range obj.GetFinalizers() {
		if !r.AnyFinalizer && !strings.Contains(name, "/") && !standardFinalizers.Has(name) {
			errs = append(errs, field.Invalid(path.Child("finalizers").Index(i), name,
				"name is neither a standard finalizer name nor is it fully qualified"))
		}
	}
	return errs
}

// metaUpdate is what holds of the metadata of every update: names have to fit into a path, whatever their form.
func metaUpdate(r *Resource, obj, old Object) field.ErrorList {
	path := field.NewPath("metadata")
	errs := apivalidation.ValidateObjectMetaAccessor(obj, !r.ClusterScoped, apipath.ValidatePathSegmentName, path)
	return append(errs, apivalidation.ValidateObjectMetaAccessorUpdate(obj, old, path)...)
}

// Mistakes are all that is wrong with an object that is written in this version, its metadata included. The object is given as it is
// stored; old is nil on create. A name that the kind allows, and that does not fit into a path, is told of only where nothing else is
// wrong.
func (v Version) Mistakes(obj, old Object) field.ErrorList {
	r := v.Row
	last, validate := r.MetaLast, r.Validate
	if v.Served != nil && v.Served.Validate != nil {
		last, validate = false, v.Served.Validate
	}
	var own field.ErrorList
	if validate != nil {
		own = validate(obj, old)
	}
	errs := own
	if !last {
		errs = append(ValidateMeta(r, obj, old), own...)
	} else if old != nil {
		errs = append(errs, metaUpdate(r, obj, old)...)
	}
	if old == nil && len(errs) == 0 {
		errs = apivalidation.ValidateObjectMetaAccessor(obj, !r.ClusterScoped, apipath.ValidatePathSegmentName, field.NewPath("metadata"))
	}
	return errs
}

// standardFinalizers are those that need no domain.
var standardFinalizers = sets.New(string(corev1.FinalizerKubernetes), metav1.FinalizerOrphanDependents,
	metav1.FinalizerDeleteDependents)
