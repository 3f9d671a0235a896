package resources

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func runtimeClasses() *Resource {
	return &Resource{
		Kind:          nodev1.SchemeGroupVersion.WithKind("RuntimeClass"),
		Plural:        "runtimeclasses",
		ClusterScoped: true,
		New:           func() Object { return &nodev1.RuntimeClass{} },
		NewList:       func() runtime.Object { return &nodev1.RuntimeClassList{} },
		Conditional:   true,
		Idle:          "each node has one runtime, and runs every pod with it",
		Default: each(func(c *nodev1.RuntimeClass) {
			if c.Overhead != nil {
				roundUp(c.Overhead.PodFixed)
			}
		}),
		Validate: check(validateRuntimeClass),
		Warn:     warn(warnRuntimeClass),
		Columns: []metav1.TableColumnDefinition{
			nameColumn(0),
			column("Handler", "string", 0, nodev1.RuntimeClass{}.SwaggerDoc()["handler"]),
			ageColumn(),
		},
		Cells: cells(func(c *nodev1.RuntimeClass, now time.Time) []any {
			return []any{c.Name, c.Handler, age(c.CreationTimestamp, now)}
		}),
	}
}

func validateRuntimeClass(c, old *nodev1.RuntimeClass) field.ErrorList {
	errs := dnsLabel(field.NewPath("handler"), c.Handler)
	if c.Overhead != nil {
		// As upstream, what a pod costs besides its containers is checked like a container's limits.
		errs = append(errs, validateRequirements(field.NewPath("overhead"),
			&corev1.ResourceRequirements{Limits: c.Overhead.PodFixed}, nil)...)
	}
	if s := c.Scheduling; s != nil {
		path := field.NewPath("scheduling")
		errs = append(errs, labelsOf(path.Child("nodeSelector"), s.NodeSelector)...)
		errs = append(errs, validateTolerations(path.Child("tolerations"), s.Tolerations)...)
		errs = append(errs, differentTolerations(path.Child("tolerations"), s.Tolerations)...)
	}
	if old != nil {
		errs = append(errs, immutable(field.NewPath("handler"), c.Handler, old.Handler)...)
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
	for _, key := range sortedKeys(c.Scheduling.NodeSelector) {
		if message, deprecated := deprecatedNodeLabel(key); deprecated {
			warnings = append(warnings, path.Key(key).String()+": "+message)
		}
	}
	return warnings
}
