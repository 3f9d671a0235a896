package storage

import (
	"maps"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

func volumeAttributesClasses() *resources.Resource {
	return &resources.Resource{
		Kind:          storagev1.SchemeGroupVersion.WithKind("VolumeAttributesClass"),
		Plural:        "volumeattributesclasses",
		ShortNames:    []string{"vac"},
		ClusterScoped: true,
		New:           func() resources.Object { return &storagev1.VolumeAttributesClass{} },
		NewList:       func() runtime.Object { return &storagev1.VolumeAttributesClassList{} },
		ReturnDeleted: true,
		Idle:          "no CSI driver changes volumes to it",
		Validate:      resources.Check(validateVolumeAttributesClass),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("DriverName", "string", 0, storagev1.VolumeAttributesClass{}.SwaggerDoc()["driverName"]),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(c *storagev1.VolumeAttributesClass, now time.Time) []any {
			return []any{c.Name, c.DriverName, printers.Age(c.CreationTimestamp, now)}
		}),
	}
}

func validateVolumeAttributesClass(c, old *storagev1.VolumeAttributesClass) field.ErrorList {
	errs := provisionerName(field.NewPath("driverName"), c.DriverName)
	errs = append(errs, validateClassParameters(c.Parameters)...)
	if len(c.Parameters) == 0 {
		errs = append(errs, field.Required(field.NewPath("parameters"), "must contain at least one key/value pair"))
	}
	if old == nil {
		return errs
	}
	if c.DriverName != old.DriverName {
		errs = append(errs, field.Forbidden(field.NewPath("driverName"), "updates to driverName are forbidden."))
	}
	if !maps.Equal(c.Parameters, old.Parameters) {
		errs = append(errs, field.Forbidden(field.NewPath("parameters"), "updates to parameters are forbidden."))
	}
	return errs
}
