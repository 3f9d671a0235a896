package resources

import (
	"fmt"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func csiNodes() *Resource {
	return &Resource{
		Kind:          storagev1.SchemeGroupVersion.WithKind("CSINode"),
		Plural:        "csinodes",
		ClusterScoped: true,
		New:           func() Object { return &storagev1.CSINode{} },
		NewList:       func() runtime.Object { return &storagev1.CSINodeList{} },
		Conditional:   true,
		ReturnDeleted: true,
		Idle:          "no node speaks to CSI drivers, and the scheduler counts no volumes",
		Validate:      check(validateCSINode),
		Columns: []metav1.TableColumnDefinition{
			nameColumn(0),
			column("Drivers", "integer", 0, "Drivers indicates the number of CSI drivers registered on the node"),
			ageColumn(),
		},
		Cells: cells(func(n *storagev1.CSINode, now time.Time) []any {
			return []any{n.Name, int64(len(n.Spec.Drivers)), age(n.CreationTimestamp, now)}
		}),
	}
}

// maxNodeID is how long the name of a node may be that a driver has for it.
const maxNodeID = 256

func validateCSINode(n, old *storagev1.CSINode) field.ErrorList {
	var errs field.ErrorList
	path, names := field.NewPath("spec", "drivers"), unique{}
	for i := range n.Spec.Drivers {
		d, at := &n.Spec.Drivers[i], path.Index(i)
		errs = append(errs, driverName(at.Child("name"), d.Name)...)
		errs = append(errs, required(at.Child("nodeID"), d.NodeID)...)
		if len(d.NodeID) > maxNodeID {
			errs = append(errs, field.Invalid(at.Child("nodeID"), d.NodeID,
				fmt.Sprintf("must be %d characters or less", maxNodeID)))
		}
		if d.Allocatable != nil && d.Allocatable.Count != nil {
			errs = append(errs, notNegative(at.Child("allocatable", "count"), *d.Allocatable.Count)...)
		}
		errs = append(errs, names.add(at.Child("name"), d.Name)...)
		keys := unique{}
		for _, key := range d.TopologyKeys {
			errs = append(errs, required(at, key)...)
			errs = append(errs, keys.add(at, key)...)
			errs = append(errs, qualifiedName(at, key)...)
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
				errs = append(errs, immutable(path, is, was)...)
			}
		}
	}
	return errs
}
