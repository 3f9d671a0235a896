package resource

import (
	"fmt"
	"strings"
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

func resourceSlices() *resources.Resource {
	return &resources.Resource{
		Kind:          resourcev1.SchemeGroupVersion.WithKind("ResourceSlice"),
		Plural:        "resourceslices",
		NameOnce:      true,
		ClusterScoped: true,
		New:           func() resources.Object { return &resourcev1.ResourceSlice{} },
		NewList:       func() runtime.Object { return &resourcev1.ResourceSliceList{} },
		ReturnDeleted: true,
		Prepare: resources.Pair(func(s, old *resourcev1.ResourceSlice) {
			if old == nil {
				s.Generation = 1
				dropAlpha(&s.Spec, &resourcev1.ResourceSliceSpec{})
				return
			}
			if !equality.Semantic.DeepEqual(s.Spec, old.Spec) { // what is dropped counts as well
				s.Generation = old.Generation + 1
			}
			dropAlpha(&s.Spec, &old.Spec)
		}),
		Stamp: resources.Stamp(func(s, _ *resourcev1.ResourceSlice, w resources.Write) {
			for i := range s.Spec.Devices {
				for j := range s.Spec.Devices[i].Taints {
					stampTaint(&s.Spec.Devices[i].Taints[j], w.Now)
				}
			}
		}),
		Idle:     "the scheduler gives no pod a device of it",
		Validate: resources.Check(validateResourceSlice),
		Warn: resources.Warn(func(s, _ *resourcev1.ResourceSlice) []string {
			if s.Spec.Driver == strings.ToLower(s.Spec.Driver) {
				return nil
			}
			return []string{fmt.Sprintf("spec.driver: driver names should be lowercase; %q contains uppercase characters", s.Spec.Driver)}
		}),
		Fields: resources.Of(func(s *resourcev1.ResourceSlice) fields.Set {
			return fields.Set{
				resourcev1.ResourceSliceSelectorNodeName: sliceNode(s),
				resourcev1.ResourceSliceSelectorDriver:   s.Spec.Driver,
				resourcev1.ResourceSliceSelectorPoolName: s.Spec.Pool.Name,
			}
		}),
		Indexed: resources.Index{Field: resourcev1.ResourceSliceSelectorNodeName, Of: resources.Of(sliceNode)},
		Columns: sliceColumns(),
		Cells: resources.Cells(func(s *resourcev1.ResourceSlice, now time.Time) []any {
			return []any{s.Name, sliceNode(s), s.Spec.Driver, s.Spec.Pool.Name, printers.Age(s.CreationTimestamp, now)}
		}),
	}
}

// sliceNode is the node whose devices these are, or empty where they belong to several.
func sliceNode(s *resourcev1.ResourceSlice) string { return ptr.Deref(s.Spec.NodeName, "") }

func sliceColumns() []metav1.TableColumnDefinition {
	doc := resourcev1.ResourceSliceSpec{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Node", "string", 0, doc["nodeName"]),
		printers.Column("Driver", "string", 0, doc["driver"]),
		printers.Column("Pool", "string", 0, resourcev1.ResourcePool{}.SwaggerDoc()["name"]),
		printers.AgeColumn(),
	}
}
