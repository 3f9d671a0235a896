package minik

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/api"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func controls() *resources.Resource {
	return &resources.Resource{
		Kind:          api.GroupVersion.WithKind("Control"),
		Plural:        "controls",
		Custom:        true,
		ClusterScoped: true,
		New:           func() resources.Object { return &api.Control{} },
		NewList:       func() runtime.Object { return &api.ControlList{} },
		Generation:    true,
		Validate:      resources.Check(validateControl),
		Subresources: []resources.Subresource{
			resources.Status(func(c, body *api.Control) { c.Status = body.Status }, validateControlStatus),
		},
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Stopped", "boolean", 0, "Whether the component is asked to stop."),
			printers.Column("Held", "boolean", 0, "Whether the component is asked to hold before its next decision."),
			printers.Column("Waiting", "integer", 0, api.ControlStatus{}.SwaggerDoc()["waiting"]),
			printers.Column("Next", "string", 0, api.ControlStatus{}.SwaggerDoc()["next"]),
			printers.AgeColumn(),
			printers.Column("Decision", "string", 1, api.ControlStatus{}.SwaggerDoc()["decision"]),
		},
		Cells: resources.Cells(func(c *api.Control, now time.Time) []any {
			return []any{
				c.Name, c.Spec.Stopped, c.Spec.Held, int64(c.Status.Waiting), printers.OrNone(c.Status.Next),
				printers.Age(c.CreationTimestamp, now), printers.OrNone(c.Status.Decision),
			}
		}),
	}
}

// The names that have a second half: api.ControlName("kubelet/<node>"), api.ControlName("controller/<name>").
const (
	kubeletPrefix    = "kubelet."
	controllerPrefix = "controller."
)

// holdable says whether a component of the name can be held. Which controllers and nodes there are is not known here.
func holdable(name string) bool {
	for _, prefix := range []string{kubeletPrefix, controllerPrefix} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
			return true
		}
	}
	return name == "scheduler" || name == "proxy" || name == "dns"
}

// validateControl refuses to stop what a Control could not start again, and to hold what does not look for Controls.
func validateControl(c, _ *api.Control) field.ErrorList {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	node, isNode := strings.CutPrefix(c.Name, kubeletPrefix)
	if c.Spec.Stopped && (!isNode || node == "") {
		errs = append(errs, field.Invalid(spec.Child("stopped"), c.Spec.Stopped,
			"only a node can be stopped: the control's name must be kubelet.<node>, for example kubelet.node-1"))
	}
	if c.Spec.Held && !holdable(c.Name) {
		errs = append(errs, field.Invalid(spec.Child("held"), c.Spec.Held, "nothing of this name can be held: the control's "+
			"name must be scheduler, proxy, dns, controller.<name> or kubelet.<node>, for example controller.deployment"))
	}
	return append(errs, validation.NotNegative(spec.Child("steps"), c.Spec.Steps)...)
}

func validateControlStatus(c, _ *api.Control) field.ErrorList {
	path := field.NewPath("status")
	errs := validation.NotNegative(path.Child("waiting"), int64(c.Status.Waiting))
	errs = append(errs, validation.NotNegative(path.Child("steps"), c.Status.Steps)...)
	return append(errs, validation.NotNegative(path.Child("decided"), c.Status.Decided)...)
}
