package core

import (
	"maps"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func configMaps() *resources.Resource {
	return &resources.Resource{
		Kind:       corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		Plural:     "configmaps",
		ShortNames: []string{"cm"},
		New:        func() resources.Object { return &corev1.ConfigMap{} },
		NewList:    func() runtime.Object { return &corev1.ConfigMapList{} },
		Validate:   resources.Check(validateConfigMap),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0), printers.Column("Data", "string", 0, corev1.ConfigMap{}.SwaggerDoc()["data"]), printers.AgeColumn(),
		},
		Cells: resources.Cells(func(c *corev1.ConfigMap, now time.Time) []any {
			return []any{c.Name, int64(len(c.Data) + len(c.BinaryData)), printers.Age(c.CreationTimestamp, now)}
		}),
	}
}

// keptWhenImmutable is the message for what may not change in an immutable ConfigMap or Secret.
const keptWhenImmutable = "field is immutable when `immutable` is set"

// validateConfigMap takes at most 1 MiB in all, under keys that can be file names.
func validateConfigMap(c, old *corev1.ConfigMap) field.ErrorList {
	var errs field.ErrorList
	size := 0
	for _, key := range validation.SortedKeys(c.Data) {
		path := field.NewPath("data").Key(key)
		errs = append(errs, validation.Invalid(path, key, utilvalidation.IsConfigMapKey(key))...)
		if _, twice := c.BinaryData[key]; twice {
			errs = append(errs, field.Invalid(path, key, "duplicate of key present in binaryData"))
		}
		size += len(c.Data[key])
	}
	for _, key := range validation.SortedKeys(c.BinaryData) {
		errs = append(errs, validation.Invalid(field.NewPath("binaryData").Key(key), key, utilvalidation.IsConfigMapKey(key))...)
		size += len(c.BinaryData[key])
	}
	if size > corev1.MaxSecretSize {
		errs = append(errs, field.TooLong(field.NewPath(""), "", corev1.MaxSecretSize))
	}
	if old == nil || old.Immutable == nil || !*old.Immutable {
		return errs
	}
	if c.Immutable == nil || !*c.Immutable {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), keptWhenImmutable))
	}
	if !maps.Equal(c.Data, old.Data) {
		errs = append(errs, field.Forbidden(field.NewPath("data"), keptWhenImmutable))
	}
	if !reflect.DeepEqual(c.BinaryData, old.BinaryData) {
		errs = append(errs, field.Forbidden(field.NewPath("binaryData"), keptWhenImmutable))
	}
	return errs
}
