package storage

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func storageClasses() *resources.Resource {
	return &resources.Resource{
		Kind:          storagev1.SchemeGroupVersion.WithKind("StorageClass"),
		Plural:        "storageclasses",
		ShortNames:    []string{"sc"},
		ClusterScoped: true,
		New:           func() resources.Object { return &storagev1.StorageClass{} },
		NewList:       func() runtime.Object { return &storagev1.StorageClassList{} },
		ReturnDeleted: true,
		Idle:          "no provisioner makes volumes of it",
		Default: resources.Each(func(sc *storagev1.StorageClass) {
			defaults.Fill(&sc.ReclaimPolicy, ptr.To(corev1.PersistentVolumeReclaimDelete))
			defaults.Fill(&sc.VolumeBindingMode, ptr.To(storagev1.VolumeBindingImmediate))
		}),
		Validate: resources.Check(validateStorageClass),
		Warn: resources.Warn(func(sc, _ *storagev1.StorageClass) []string {
			return warnTopologies(field.NewPath("allowedTopologies"), sc.AllowedTopologies)
		}),
		Columns: storageClassColumns(),
		Cells:   resources.Cells(storageClassCells),
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
		errs = append(errs, validation.OneOf(reclaim, policy,
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
	errs = append(errs, validation.Unchanged(field.NewPath("parameters"), sc.Parameters, old.Parameters)...)
	errs = append(errs, validation.Unchanged(field.NewPath("provisioner"), sc.Provisioner, old.Provisioner)...)
	errs = append(errs, validation.Unchanged(reclaim, sc.ReclaimPolicy, old.ReclaimPolicy)...)
	return append(errs, validation.Unchanged(binding, sc.VolumeBindingMode, old.VolumeBindingMode)...)
}

// provisionerName takes qualified names; upstream lets them be written in capitals too.
func provisionerName(path *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return validation.QualifiedName(path, strings.ToLower(name))
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

// validateTopologies asks for terms that differ, of keys that differ, each with values that differ.
func validateTopologies(path *field.Path, terms []corev1.TopologySelectorTerm) field.ErrorList {
	var errs field.ErrorList
	earlier := map[string]bool{"map[]": true} // upstream takes a term without keys for one that has been there
	for i, term := range terms {
		at := path.Index(i).Child("matchLabelExpressions")
		byKey := map[string]map[string]bool{}
		for j, r := range term.MatchLabelExpressions {
			one, values := at.Index(j), validation.Unique{}
			if len(r.Values) == 0 {
				errs = append(errs, field.Required(one.Child("values"), ""))
			}
			for k, value := range r.Values {
				errs = append(errs, values.Add(one.Child("values").Index(k), value)...)
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
			if message, deprecated := podspec.DeprecatedNodeLabel(r.Key); deprecated {
				at := path.Index(i).Child("matchLabelExpressions").Index(j).Child("key")
				warnings = append(warnings, at.String()+": "+message)
			}
		}
	}
	return warnings
}

// IsDefaultClass reports whether claims that name no class get the one with these annotations.
func IsDefaultClass(annotations map[string]string) bool {
	return annotations["storageclass.kubernetes.io/is-default-class"] == "true" ||
		annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true"
}

func storageClassColumns() []metav1.TableColumnDefinition {
	doc := storagev1.StorageClass{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Provisioner", "string", 0, doc["provisioner"]),
		printers.Column("ReclaimPolicy", "string", 0, doc["reclaimPolicy"]),
		printers.Column("VolumeBindingMode", "string", 0, doc["volumeBindingMode"]),
		printers.Column("AllowVolumeExpansion", "string", 0, doc["allowVolumeExpansion"]),
		printers.AgeColumn(),
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
		ptr.Deref(sc.AllowVolumeExpansion, false), printers.Age(sc.CreationTimestamp, now),
	}
}
