package resource

import (
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func resourceClaimTemplates() *resources.Resource {
	return &resources.Resource{
		Kind:          resourcev1.SchemeGroupVersion.WithKind("ResourceClaimTemplate"),
		Plural:        "resourceclaimtemplates",
		New:           func() resources.Object { return &resourcev1.ResourceClaimTemplate{} },
		NewList:       func() runtime.Object { return &resourcev1.ResourceClaimTemplateList{} },
		ReturnDeleted: true,
		Default: resources.Each(func(t *resourcev1.ResourceClaimTemplate) {
			defaultDeviceClaim(&t.Spec.Spec.Devices)
		}),
		Prepare: resources.Pair(func(t, old *resourcev1.ResourceClaimTemplate) {
			if old == nil || !derives(&old.Spec.Spec.Devices) {
				dropDerived(&t.Spec.Spec.Devices)
			}
		}),
		Idle:     "no controller makes claims of it for pods",
		Validate: resources.Check(validateResourceClaimTemplate),
		Warn: resources.Warn(func(t, _ *resourcev1.ResourceClaimTemplate) []string {
			return warnDeviceClaim(field.NewPath("spec", "spec", "devices"), &t.Spec.Spec.Devices)
		}),
		Columns: []metav1.TableColumnDefinition{printers.NameColumn(0), printers.AgeColumn()},
		Cells: resources.Cells(func(t *resourcev1.ResourceClaimTemplate, now time.Time) []any {
			return []any{t.Name, printers.Age(t.CreationTimestamp, now)}
		}),
	}
}

func validateResourceClaimTemplate(t, old *resourcev1.ResourceClaimTemplate) field.ErrorList {
	path := field.NewPath("spec")
	errs := validation.TemplateMeta(path.Child("metadata"), &t.Spec.ObjectMeta)
	errs = append(errs, validateDeviceClaim(path.Child("spec", "devices"), &t.Spec.Spec.Devices)...)
	if old != nil {
		errs = append(errs, validation.Immutable(path, t.Spec, old.Spec)...)
	}
	return errs
}
