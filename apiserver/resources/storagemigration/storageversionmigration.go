package storagemigration

import (
	"strings"
	"time"

	storagemigrationv1 "k8s.io/api/storagemigration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func storageVersionMigrations() *resources.Resource {
	return &resources.Resource{
		Kind:          storagemigrationv1.SchemeGroupVersion.WithKind("StorageVersionMigration"),
		Plural:        "storageversionmigrations",
		ClusterScoped: true,
		Conditional:   true,
		New:           func() resources.Object { return &storagemigrationv1.StorageVersionMigration{} },
		NewList:       func() runtime.Object { return &storagemigrationv1.StorageVersionMigrationList{} },
		Subresources: []resources.Subresource{
			resources.Status(func(m, body *storagemigrationv1.StorageVersionMigration) { m.Status = body.Status }, validateProgress, "metadata"),
		},
		Idle:     "no controller writes the objects anew: each kind is stored in one version for good",
		Validate: resources.Check(validateMigration),
		Columns: []metav1.TableColumnDefinition{
			printers.Column("Name", "string", 0, metav1.ObjectMeta{}.SwaggerDoc()["name"]), // upstream's has no format
			printers.Column("Resource", "string", 0, "GroupResource to migrate"),
			printers.Column("Status", "string", 0, "Status of the migration"),
		},
		Cells: resources.Cells(func(m *storagemigrationv1.StorageVersionMigration, _ time.Time) []any {
			return []any{m.Name, m.Spec.Resource.String(), progress(m)}
		}),
	}
}

// progress is how far the migration has got.
func progress(m *storagemigrationv1.StorageVersionMigration) string {
	state := "Unknown"
	for _, c := range m.Status.Conditions {
		known := storagemigrationv1.MigrationConditionType(c.Type)
		if c.Status == metav1.ConditionTrue && (known == storagemigrationv1.MigrationRunning ||
			known == storagemigrationv1.MigrationSucceeded || known == storagemigrationv1.MigrationFailed) {
			state = c.Type
		}
	}
	return state
}

func validateMigration(m, old *storagemigrationv1.StorageVersionMigration) field.ErrorList {
	path, what := field.NewPath("spec", "resource"), &m.Spec.Resource
	var errs field.ErrorList
	if what.Resource == "" {
		errs = append(errs, field.Required(path.Child("resource"), "resource is required to be set"))
	} else if wrong := utilvalidation.IsDNS1035Label(what.Resource); len(wrong) > 0 {
		errs = append(errs, field.Invalid(path.Child("resource"), what.Resource, strings.Join(wrong, ",")))
	}
	if wrong := utilvalidation.IsDNS1123Subdomain(what.Group); what.Group != "" && len(wrong) > 0 {
		errs = append(errs, field.Invalid(path.Child("group"), what.Group, strings.Join(wrong, ",")))
	}
	if old != nil {
		errs = append(errs, validation.Immutable(field.NewPath("spec"), m.Spec, old.Spec)...)
	}
	return errs
}

// validateProgress lets a migration end, once, and in one way.
func validateProgress(m, old *storagemigrationv1.StorageVersionMigration) field.ErrorList {
	path, status := field.NewPath("status"), &m.Status
	var errs field.ErrorList
	if status.ResourceVersion != "" {
		if _, err := resourceversion.CompareResourceVersion(status.ResourceVersion, status.ResourceVersion); err != nil {
			errs = append(errs, field.Invalid(path.Child("resourceVersion"), status.ResourceVersion, err.Error()))
		}
	}
	conditions := path.Child("conditions")
	errs = append(errs, metav1validation.ValidateConditions(status.Conditions, conditions)...)
	if was := old.Status.ResourceVersion; was != "" && was != status.ResourceVersion {
		errs = append(errs, field.Invalid(path.Child("resourceVersion"), status.ResourceVersion, "field is immutable"))
	}
	is := func(m *storagemigrationv1.StorageVersionMigration, t storagemigrationv1.MigrationConditionType) bool {
		return meta.IsStatusConditionTrue(m.Status.Conditions, string(t))
	}
	wrong := func(is bool, message string) {
		if is {
			errs = append(errs, field.Invalid(conditions, status.Conditions, message))
		}
	}
	const done, failed = storagemigrationv1.MigrationSucceeded, storagemigrationv1.MigrationFailed
	wrong(is(m, done) && is(m, failed), "Both success and failed conditions cannot be true at the same time")
	wrong(is(old, done) && !is(m, done), "Success condition cannot be set to false once it is true")
	wrong(is(old, failed) && !is(m, failed), "Failed condition cannot be set to false once it is true")
	return errs
}
