package storage

import (
	"fmt"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
	"minik.dev/apiserver/resources/volumes"
)

func csiNodes() *resources.Resource {
	return &resources.Resource{
		Kind:          storagev1.SchemeGroupVersion.WithKind("CSINode"),
		Plural:        "csinodes",
		ClusterScoped: true,
		New:           func() resources.Object { return &storagev1.CSINode{} },
		NewList:       func() runtime.Object { return &storagev1.CSINodeList{} },
		Conditional:   true,
		ReturnDeleted: true,
		Idle:          "no node speaks to CSI drivers, and the scheduler counts no volumes",
		Subresources: []resources.Subresource{
			// What there is to say of the health of storage is alpha upstream, and dropped where it is off.
			resources.Status(func(n, _ *storagev1.CSINode) { n.Status = storagev1.CSINodeStatus{} },
				func(_, _ *storagev1.CSINode) field.ErrorList { return nil }, "metadata"),
		},
		Validate: resources.Check(validateCSINode),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Drivers", "integer", 0, "Drivers indicates the number of CSI drivers registered on the node"),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(n *storagev1.CSINode, now time.Time) []any {
			return []any{n.Name, int64(len(n.Spec.Drivers)), printers.Age(n.CreationTimestamp, now)}
		}),
	}
}

// maxNodeID is how long a driver's own name for a node may be.
const maxNodeID = 256

func validateCSINode(n, old *storagev1.CSINode) field.ErrorList {
	var errs field.ErrorList
	path, names := field.NewPath("spec", "drivers"), validation.Unique{}
	for i := range n.Spec.Drivers {
		d, at := &n.Spec.Drivers[i], path.Index(i)
		errs = append(errs, volumes.ValidateDriverName(at.Child("name"), d.Name)...)
		errs = append(errs, validation.Required(at.Child("nodeID"), d.NodeID)...)
		if len(d.NodeID) > maxNodeID {
			errs = append(errs, field.Invalid(at.Child("nodeID"), d.NodeID,
				fmt.Sprintf("must be %d characters or less", maxNodeID)))
		}
		if d.Allocatable != nil && d.Allocatable.Count != nil {
			errs = append(errs, validation.NotNegative(at.Child("allocatable", "count"), *d.Allocatable.Count)...)
		}
		errs = append(errs, names.Add(at.Child("name"), d.Name)...)
		keys := validation.Unique{}
		for _, key := range d.TopologyKeys {
			errs = append(errs, validation.Required(at, key)...)
			errs = append(errs, keys.Add(at, key)...)
			errs = append(errs, validation.QualifiedName(at, key)...)
		}
	}
	if old != nil {
		errs = append(errs, sameDrivers(path, n.Spec.Drivers, old.Spec.Drivers)...)
	}
	return errs
}

// sameDrivers lets drivers come and go, and say how many volumes they take, but else keeps what they said.
func sameDrivers(path *field.Path, drivers, old []storagev1.CSINodeDriver) field.ErrorList {
	var errs field.ErrorList
	for _, was := range old {
		for _, is := range drivers {
			if is.Name == was.Name {
				was.Allocatable, is.Allocatable = nil, nil
				errs = append(errs, validation.Immutable(path, is, was)...)
			}
		}
	}
	return errs
}
