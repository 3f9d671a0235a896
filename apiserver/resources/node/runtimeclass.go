package node

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func runtimeClasses() *resources.Resource {
	return &resources.Resource{
		Kind:          nodev1.SchemeGroupVersion.WithKind("RuntimeClass"),
		Plural:        "runtimeclasses",
		AnyFinalizer:  true,
		ClusterScoped: true,
		New:           func() resources.Object { return &nodev1.RuntimeClass{} },
		NewList:       func() runtime.Object { return &nodev1.RuntimeClassList{} },
		Conditional:   true,
		Idle:          "each node has one runtime, and runs every pod with it",
		Validate:      resources.Check(validateRuntimeClass),
		Warn:          resources.Warn(warnRuntimeClass),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Handler", "string", 0, ""),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(c *nodev1.RuntimeClass, now time.Time) []any {
			return []any{c.Name, c.Handler, printers.Age(c.CreationTimestamp, now)}
		}),
	}
}

func validateRuntimeClass(c, old *nodev1.RuntimeClass) field.ErrorList {
	var errs field.ErrorList
	form := content.IsDNS1123Label
	if old != nil {
		errs = validation.Unchanged(field.NewPath("handler"), c.Handler, old.Handler)
		form = utilvalidation.IsDNS1123Label // words one message in another way (upstream)
	}
	if c.Handler == "" {
		errs = append(errs, field.Required(field.NewPath("handler"), ""))
	} else {
		errs = append(errs, validation.Invalid(field.NewPath("handler"), c.Handler, form(c.Handler))...)
	}
	if c.Overhead != nil {
		// As upstream, what a pod costs besides its containers is checked like a container's limits.
		errs = append(errs, podspec.ValidateRequirements(field.NewPath("overhead"),
			&corev1.ResourceRequirements{Limits: c.Overhead.PodFixed}, nil)...)
	}
	if s := c.Scheduling; s != nil {
		path := field.NewPath("scheduling")
		errs = append(errs, validation.Labels(path.Child("nodeSelector"), s.NodeSelector)...)
		errs = append(errs, podspec.ValidateTolerations(path.Child("tolerations"), s.Tolerations)...)
		errs = append(errs, differentTolerations(path.Child("tolerations"), s.Tolerations)...)
	}
	return errs
}

// differentTolerations takes each toleration once.
func differentTolerations(path *field.Path, tolerations []corev1.Toleration) field.ErrorList {
	var errs field.ErrorList
	for i := range tolerations {
		for j := range i {
			if tolerations[i].MatchToleration(&tolerations[j]) {
				errs = append(errs, field.Duplicate(path.Index(i), tolerations[i]))
				break
			}
		}
	}
	return errs
}

func warnRuntimeClass(c, _ *nodev1.RuntimeClass) []string {
	if c.Scheduling == nil {
		return nil
	}
	var warnings []string
	path := field.NewPath("scheduling", "nodeSelector")
	for _, key := range validation.SortedKeys(c.Scheduling.NodeSelector) {
		if message, deprecated := podspec.DeprecatedNodeLabel(key); deprecated {
			warnings = append(warnings, path.String()+": "+message)
		}
	}
	return warnings
}
