package coordination

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

func leases() *resources.Resource {
	return &resources.Resource{
		Kind:           coordinationv1.SchemeGroupVersion.WithKind("Lease"),
		Plural:         "leases",
		NameOnce:       true,
		AnyFinalizer:   true,
		CreateOnUpdate: true,
		New:            func() resources.Object { return &coordinationv1.Lease{} },
		NewList:        func() runtime.Object { return &coordinationv1.LeaseList{} },
		Conditional:    true,
		Prepare:        resources.Pair(prepareLease),
		Validate:       resources.Check(validateLease),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Holder", "string", 0, coordinationv1.LeaseSpec{}.SwaggerDoc()["holderIdentity"]),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(l *coordinationv1.Lease, now time.Time) []any {
			return []any{l.Name, ptr.Deref(l.Spec.HolderIdentity, ""), printers.Age(l.CreationTimestamp, now)}
		}),
		Quiet: true,
	}
}

// prepareLease takes away what is of the coordinated leader election, which is off by default upstream.
func prepareLease(l, _ *coordinationv1.Lease) {
	l.Spec.Strategy, l.Spec.PreferredHolder = nil, nil
}

func validateLease(l, _ *coordinationv1.Lease) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec")
	if seconds := l.Spec.LeaseDurationSeconds; seconds != nil && *seconds <= 0 {
		errs = append(errs, field.Invalid(path.Child("leaseDurationSeconds"), *seconds, "must be greater than 0"))
	}
	if transitions := l.Spec.LeaseTransitions; transitions != nil && *transitions < 0 {
		errs = append(errs, field.Invalid(path.Child("leaseTransitions"), *transitions, "must be greater than or equal to 0"))
	}
	return errs
}
