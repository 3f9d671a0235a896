package scheduling

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func priorityClasses() *resources.Resource {
	doc := schedulingv1.PriorityClass{}.SwaggerDoc()
	return &resources.Resource{
		Kind:          schedulingv1.SchemeGroupVersion.WithKind("PriorityClass"),
		Plural:        "priorityclasses",
		NameOnce:      true,
		Awaited:       true,
		ShortNames:    []string{"pc"},
		ClusterScoped: true,
		New:           func() resources.Object { return &schedulingv1.PriorityClass{} },
		NewList:       func() runtime.Object { return &schedulingv1.PriorityClassList{} },
		Prepare: resources.Pair(func(pc, old *schedulingv1.PriorityClass) {
			if old == nil {
				pc.Generation = 1 // for good: upstream counts no changes of this kind
			}
		}),
		Default: resources.Each(func(pc *schedulingv1.PriorityClass) {
			if pc.PreemptionPolicy == nil {
				pc.PreemptionPolicy = ptr.To(corev1.PreemptLowerPriority)
			}
		}),
		Validate: resources.Check(validatePriorityClass),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Value", "integer", 0, doc["value"]),
			printers.Column("Global-Default", "boolean", 0, doc["globalDefault"]),
			printers.AgeColumn(),
			printers.Column("PreemptionPolicy", "string", 0, doc["preemptionPolicy"]),
		},
		Cells: resources.Cells(func(pc *schedulingv1.PriorityClass, now time.Time) []any {
			return []any{
				pc.Name, int64(pc.Value), pc.GlobalDefault, printers.Age(pc.CreationTimestamp, now),
				string(ptr.Deref(pc.PreemptionPolicy, "")),
			}
		}),
	}
}

const (
	systemPrefix = "system-"
	// highestUserPriority is where the priorities that people may give end; above it is the system.
	highestUserPriority = int32(1000000000)
)

// SystemPriorities are the priority classes that every cluster has, with their only values.
var SystemPriorities = map[string]int32{
	"system-cluster-critical": 2 * highestUserPriority,
	"system-node-critical":    2*highestUserPriority + 1000,
}

func validatePriorityClass(pc, old *schedulingv1.PriorityClass) field.ErrorList {
	var errs field.ErrorList
	if old != nil {
		if pc.Value != old.Value {
			errs = append(errs, field.Forbidden(field.NewPath("value"), "may not be changed in an update."))
		}
		return append(errs, validation.Immutable(field.NewPath("preemptionPolicy"), pc.PreemptionPolicy, old.PreemptionPolicy)...)
	}
	if strings.HasPrefix(pc.Name, systemPrefix) {
		if wrong := wrongSystemClass(pc); wrong != "" {
			errs = append(errs, field.Forbidden(field.NewPath("metadata", "name"),
				"priority class names with 'system-' prefix are reserved for system use only. error: "+wrong))
		}
	} else if pc.Value > highestUserPriority {
		errs = append(errs, field.Forbidden(field.NewPath("value"),
			fmt.Sprintf("maximum allowed value of a user defined priority is %v", highestUserPriority)))
	}
	if pc.PreemptionPolicy != nil {
		errs = append(errs, validation.OneOf(field.NewPath("preemptionPolicy"), *pc.PreemptionPolicy,
			corev1.PreemptLowerPriority, corev1.PreemptNever)...)
	}
	return errs
}

// wrongSystemClass says how a class with a system name differs from the one that has it; empty is not at all.
func wrongSystemClass(pc *schedulingv1.PriorityClass) string {
	value, known := SystemPriorities[pc.Name]
	switch {
	case !known:
		return fmt.Sprintf("%v is not a known system priority class", pc.Name)
	case pc.Value != value:
		return fmt.Sprintf("value of %v PriorityClass must be %v", pc.Name, value)
	case pc.GlobalDefault:
		return fmt.Sprintf("globalDefault of %v PriorityClass must be %v", pc.Name, false)
	}
	return ""
}
