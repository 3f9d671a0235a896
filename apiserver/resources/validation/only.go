package validation

import (
	"reflect"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Only refuses whatever a struct says besides the allowed fields, so that new ones are refused as well. Upstream makes the path of the
// field's name in Go, and so "uID" of UID.
func Only(at *field.Path, of any, allowed sets.Set[string], refused string) field.ErrorList {
	var errs field.ErrorList
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; !allowed.Has(name) && !v.Field(i).IsZero() {
			errs = append(errs, field.Forbidden(at.Child(strings.ToLower(name[:1])+name[1:]), refused))
		}
	}
	return errs
}

// TemplateMeta takes the labels and annotations of objects that are made of a template, and refuses what else metadata may say.
func TemplateMeta(path *field.Path, meta *metav1.ObjectMeta) field.ErrorList {
	errs := apivalidation.ValidateAnnotations(meta.Annotations, path.Child("annotations"))
	errs = append(errs, Labels(path.Child("labels"), meta.Labels)...)
	return append(errs, Only(path, *meta, sets.New("Labels", "Annotations"), "cannot be set")...)
}
