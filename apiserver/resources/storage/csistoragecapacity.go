package storage

import (
	"time"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func csiStorageCapacities() *resources.Resource {
	doc := storagev1.CSIStorageCapacity{}.SwaggerDoc()
	return &resources.Resource{
		Kind:        storagev1.SchemeGroupVersion.WithKind("CSIStorageCapacity"),
		Plural:      "csistoragecapacities",
		New:         func() resources.Object { return &storagev1.CSIStorageCapacity{} },
		NewList:     func() runtime.Object { return &storagev1.CSIStorageCapacityList{} },
		Conditional: true,
		Idle:        "the scheduler does not ask where there is room for a volume",
		Validate:    resources.Check(validateCSIStorageCapacity),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("StorageClassName", "string", 0, doc["storageClassName"]),
			printers.Column("Capacity", "string", 0, doc["capacity"]),
		},
		Cells: resources.Cells(func(c *storagev1.CSIStorageCapacity, _ time.Time) []any {
			room := printers.Unset
			if c.Capacity != nil {
				room = c.Capacity.String()
			}
			return []any{c.Name, c.StorageClassName, room}
		}),
	}
}

func validateCSIStorageCapacity(c, old *storagev1.CSIStorageCapacity) field.ErrorList {
	topology, class := field.NewPath("nodeTopology"), field.NewPath("storageClassName")
	errs := validation.LabelSelector(topology, c.NodeTopology)
	errs = append(errs, validation.DNSSubdomain(class, c.StorageClassName)...)
	if c.Capacity != nil && c.Capacity.Sign() < 0 {
		errs = append(errs, field.Invalid(field.NewPath("capacity"), c.Capacity.String(),
			"must be greater than or equal to 0"))
	}
	if old == nil {
		return errs
	}
	if !equality.Semantic.DeepEqual(c.NodeTopology, old.NodeTopology) {
		errs = append(errs, field.Invalid(topology, c.NodeTopology, "field is immutable"))
	}
	if c.StorageClassName != old.StorageClassName {
		errs = append(errs, field.Invalid(class, c.StorageClassName, "field is immutable"))
	}
	return errs
}
