package resources

import (
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

func storageClasses() *Resource {
	return &Resource{
		Kind:          storagev1.SchemeGroupVersion.WithKind("StorageClass"),
		Plural:        "storageclasses",
		ShortNames:    []string{"sc"},
		ClusterScoped: true,
		New:           func() Object { return &storagev1.StorageClass{} },
		NewList:       func() runtime.Object { return &storagev1.StorageClassList{} },
		ReturnDeleted: true,
		Idle:          "no provisioner makes volumes of it",
		Default: each(func(sc *storagev1.StorageClass) {
			orDefault(&sc.ReclaimPolicy, ptr.To(corev1.PersistentVolumeReclaimDelete))
			orDefault(&sc.VolumeBindingMode, ptr.To(storagev1.VolumeBindingImmediate))
		}),
		Validate: check(validateStorageClass),
		Warn: warn(func(sc, _ *storagev1.StorageClass) []string {
			return warnTopologies(field.NewPath("allowedTopologies"), sc.AllowedTopologies)
		}),
		Columns: storageClassColumns(),
		Cells:   cells(storageClassCells),
	}
}

// The upper bounds of what is passed on to a driver.
const (
	maxParameters     = 512
	maxParametersSize = 256 << 10 // bytes of all keys and values
)

func validateStorageClass(sc, old *storagev1.StorageClass) field.ErrorList {
	errs := provisionerName(field.NewPath("provisioner"), sc.Provisioner)
	errs = append(errs, validateClassParameters(sc.Parameters)...)
	reclaim, binding := field.NewPath("reclaimPolicy"), field.NewPath("volumeBindingMode")
	if policy := ptr.Deref(sc.ReclaimPolicy, ""); policy != "" {
		errs = append(errs, oneOf(reclaim, policy,
			corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain)...)
	}
	if sc.VolumeBindingMode == nil {
		errs = append(errs, field.Required(binding, ""))
	} else if *sc.VolumeBindingMode != storagev1.VolumeBindingImmediate &&
		*sc.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
		errs = append(errs, field.NotSupported(binding, *sc.VolumeBindingMode, []storagev1.VolumeBindingMode{
			storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer}))
	}
	errs = append(errs, validateTopologies(field.NewPath("allowedTopologies"), sc.AllowedTopologies)...)
	if old == nil {
		return errs
	}
	errs = append(errs, sameParameters(sc.Parameters, old.Parameters)...)
	if sc.Provisioner != old.Provisioner {
		errs = append(errs, field.Forbidden(field.NewPath("provisioner"), "updates to provisioner are forbidden."))
	}
	if !ptr.Equal(sc.ReclaimPolicy, old.ReclaimPolicy) {
		errs = append(errs, field.Forbidden(reclaim, "updates to reclaimPolicy are forbidden."))
	}
	return append(errs, immutable(binding, sc.VolumeBindingMode, old.VolumeBindingMode)...)
}

// provisionerName takes qualified names; upstream lets them be written in capitals too.
func provisionerName(path *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return qualifiedName(path, strings.ToLower(name))
}

func validateClassParameters(parameters map[string]string) field.ErrorList {
	path := field.NewPath("parameters")
	if len(parameters) > maxParameters {
		return field.ErrorList{field.TooLong(path, "", maxParameters)}
	}
	var errs field.ErrorList
	size := 0
	for key, value := range parameters {
		if key == "" {
			errs = append(errs, field.Invalid(path, key, "field can not be empty."))
		}
		size += len(key) + len(value)
	}
	if size > maxParametersSize {
		errs = append(errs, field.TooLong(path, "", maxParametersSize))
	}
	return errs
}

func sameParameters(is, was map[string]string) field.ErrorList {
	if maps.Equal(is, was) {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("parameters"), "updates to parameters are forbidden.")}
}

// validateTopologies asks for terms that differ, of keys that differ, each with values that differ.
func validateTopologies(path *field.Path, terms []corev1.TopologySelectorTerm) field.ErrorList {
	var errs field.ErrorList
	earlier := map[string]bool{}
	for i, term := range terms {
		at := path.Index(i).Child("matchLabelExpressions")
		byKey := map[string]map[string]bool{}
		for j, r := range term.MatchLabelExpressions {
			one, values := at.Index(j), unique{}
			if len(r.Values) == 0 {
				errs = append(errs, field.Required(one.Child("values"), ""))
			}
			for k, value := range r.Values {
				errs = append(errs, values.add(one.Child("values").Index(k), value)...)
			}
			errs = append(errs, metav1validation.ValidateLabelName(r.Key, one.Child("key"))...)
			if byKey[r.Key] != nil {
				errs = append(errs, field.Duplicate(one.Child("key"), r.Key))
			}
			byKey[r.Key] = values
		}
		canonical := fmt.Sprint(byKey) // fmt prints maps in the order of their keys
		if earlier[canonical] {
			errs = append(errs, field.Duplicate(at, ""))
		}
		earlier[canonical] = true
	}
	return errs
}

// warnTopologies finds labels of nodes that go by a newer name.
func warnTopologies(path *field.Path, terms []corev1.TopologySelectorTerm) []string {
	var warnings []string
	for i, term := range terms {
		for j, r := range term.MatchLabelExpressions {
			if message, deprecated := deprecatedNodeLabel(r.Key); deprecated {
				at := path.Index(i).Child("matchLabelExpressions").Index(j).Child("key")
				warnings = append(warnings, at.String()+": "+message)
			}
		}
	}
	return warnings
}

// IsDefaultClass tells the class that claims get which name none.
func IsDefaultClass(annotations map[string]string) bool {
	return annotations["storageclass.kubernetes.io/is-default-class"] == "true" ||
		annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true"
}

func storageClassColumns() []metav1.TableColumnDefinition {
	doc := storagev1.StorageClass{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		nameColumn(0),
		column("Provisioner", "string", 0, doc["provisioner"]),
		column("ReclaimPolicy", "string", 0, doc["reclaimPolicy"]),
		column("VolumeBindingMode", "string", 0, doc["volumeBindingMode"]),
		column("AllowVolumeExpansion", "string", 0, doc["allowVolumeExpansion"]),
		ageColumn(),
	}
}

func storageClassCells(sc *storagev1.StorageClass, now time.Time) []any {
	name := sc.Name
	if IsDefaultClass(sc.Annotations) {
		name += " (default)"
	}
	return []any{
		name, sc.Provisioner, string(ptr.Deref(sc.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)),
		string(ptr.Deref(sc.VolumeBindingMode, storagev1.VolumeBindingImmediate)),
		ptr.Deref(sc.AllowVolumeExpansion, false), age(sc.CreationTimestamp, now),
	}
}
