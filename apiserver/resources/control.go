package resources

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/api"
)

func controls() *Resource {
	return &Resource{
		Kind:          api.GroupVersion.WithKind("Control"),
		Plural:        "controls",
		ClusterScoped: true,
		New:           func() Object { return &api.Control{} },
		NewList:       func() runtime.Object { return &api.ControlList{} },
		Generation:    true,
		Validate:      check(validateControl),
		Columns: []metav1.TableColumnDefinition{
			nameColumn(0),
			column("Stopped", "boolean", 0, "Whether the component is asked to stop."),
			ageColumn(),
		},
		Cells: cells(func(c *api.Control, now time.Time) []any {
			return []any{c.Name, c.Spec.Stopped, age(c.CreationTimestamp, now)}
		}),
	}
}

// kubeletPrefix starts the name of every node's control: api.ControlName("kubelet/<node>").
const kubeletPrefix = "kubelet."

// validateControl lets nobody stop what could not be started again by the same means.
func validateControl(c, _ *api.Control) field.ErrorList {
	node, isNode := strings.CutPrefix(c.Name, kubeletPrefix)
	if c.Spec.Stopped && (!isNode || node == "") {
		return field.ErrorList{field.Invalid(field.NewPath("spec", "stopped"), c.Spec.Stopped,
			"only a node can be stopped: the control's name must be kubelet.<node>, for example kubelet.node-1")}
	}
	return nil
}
