package resources

import (
	"time"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func csiStorageCapacities() *Resource {
	doc := storagev1.CSIStorageCapacity{}.SwaggerDoc()
	return &Resource{
		Kind:        storagev1.SchemeGroupVersion.WithKind("CSIStorageCapacity"),
		Plural:      "csistoragecapacities",
		New:         func() Object { return &storagev1.CSIStorageCapacity{} },
		NewList:     func() runtime.Object { return &storagev1.CSIStorageCapacityList{} },
		Conditional: true,
		Idle:        "the scheduler does not ask where there is room for a volume",
		Validate:    check(validateCSIStorageCapacity),
		Columns: []metav1.TableColumnDefinition{
			nameColumn(0),
			column("StorageClassName", "string", 0, doc["storageClassName"]),
			column("Capacity", "string", 0, doc["capacity"]),
		},
		Cells: cells(func(c *storagev1.CSIStorageCapacity, _ time.Time) []any {
			room := unset
			if c.Capacity != nil {
				room = c.Capacity.String()
			}
			return []any{c.Name, c.StorageClassName, room}
		}),
	}
}

func validateCSIStorageCapacity(c, old *storagev1.CSIStorageCapacity) field.ErrorList {
	topology, class := field.NewPath("nodeTopology"), field.NewPath("storageClassName")
	errs := labelSelector(topology, c.NodeTopology)
	errs = append(errs, dnsSubdomain(class, c.StorageClassName)...)
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
