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
		Custom:        true,
		ClusterScoped: true,
		New:           func() Object { return &api.Control{} },
		NewList:       func() runtime.Object { return &api.ControlList{} },
		Generation:    true,
		Validate:      check(validateControl),
		Subresources: []Subresource{
			status(func(c, body *api.Control) { c.Status = body.Status }, validateControlStatus),
		},
		Columns: []metav1.TableColumnDefinition{
			nameColumn(0),
			column("Stopped", "boolean", 0, "Whether the component is asked to stop."),
			column("Held", "boolean", 0, "Whether the component is asked to hold before its next decision."),
			column("Waiting", "integer", 0, api.ControlStatus{}.SwaggerDoc()["waiting"]),
			column("Next", "string", 0, api.ControlStatus{}.SwaggerDoc()["next"]),
			ageColumn(),
			column("Decision", "string", 1, api.ControlStatus{}.SwaggerDoc()["decision"]),
		},
		Cells: cells(func(c *api.Control, now time.Time) []any {
			return []any{
				c.Name, c.Spec.Stopped, c.Spec.Held, int64(c.Status.Waiting), orNone(c.Status.Next),
				age(c.CreationTimestamp, now), orNone(c.Status.Decision),
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

// validateControl lets nobody stop what could not be started again by the same means, nor hold what would not notice.
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
	return append(errs, notNegative(spec.Child("steps"), c.Spec.Steps)...)
}

func validateControlStatus(c, _ *api.Control) field.ErrorList {
	path := field.NewPath("status")
	errs := notNegative(path.Child("waiting"), int64(c.Status.Waiting))
	errs = append(errs, notNegative(path.Child("steps"), c.Status.Steps)...)
	return append(errs, notNegative(path.Child("decided"), c.Status.Decided)...)
}
