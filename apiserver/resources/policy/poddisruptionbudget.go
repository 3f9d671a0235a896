package policy

import (
	"time"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

// podDisruptionBudgets is the row of the promise that so many pods stay up while others are evicted. policy/v1 fills in
// nothing: a budget that says no number protects no pod.
func podDisruptionBudgets() *resources.Resource {
	return &resources.Resource{
		Kind:        policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
		Plural:      "poddisruptionbudgets",
		NameOnce:    true,
		ShortNames:  []string{"pdb"},
		New:         func() resources.Object { return &policyv1.PodDisruptionBudget{} },
		NewList:     func() runtime.Object { return &policyv1.PodDisruptionBudgetList{} },
		Conditional: true,
		Generation:  true,
		Subresources: []resources.Subresource{
			resources.Status(func(b, body *policyv1.PodDisruptionBudget) { b.Status = body.Status }, validateBudgetStatus).
				WithMeta(resources.BareMeta),
		},
		MetaLast: true,
		Validate: resources.Check(validateBudget),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Min Available", "string", 0, "The minimum number of pods that must be available."),
			printers.Column("Max Unavailable", "string", 0, "The maximum number of pods that may be unavailable."),
			printers.Column("Allowed Disruptions", "integer", 0, "Calculated number of pods that may be disrupted at this time."),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(b *policyv1.PodDisruptionBudget, now time.Time) []any {
			return []any{
				b.Name, orNotApplicable(b.Spec.MinAvailable), orNotApplicable(b.Spec.MaxUnavailable),
				int64(b.Status.DisruptionsAllowed), printers.Age(b.CreationTimestamp, now),
			}
		}),
	}
}

func orNotApplicable(v *intstr.IntOrString) string {
	if v == nil {
		return "N/A"
	}
	return v.String()
}

// validateBudget checks a spec that may change as a whole: since policy/v1, nothing of it is immutable.
func validateBudget(b, _ *policyv1.PodDisruptionBudget) field.ErrorList {
	path, spec := field.NewPath("spec"), &b.Spec
	var errs field.ErrorList
	if spec.MinAvailable != nil && spec.MaxUnavailable != nil {
		errs = append(errs, field.Invalid(path, *spec, "minAvailable and maxUnavailable cannot be both set"))
	}
	errs = append(errs, validation.IntOrPercent(path.Child("minAvailable"), spec.MinAvailable)...)
	errs = append(errs, validation.AtMostAll(path.Child("minAvailable"), spec.MinAvailable)...)
	errs = append(errs, validation.IntOrPercent(path.Child("maxUnavailable"), spec.MaxUnavailable)...)
	errs = append(errs, validation.AtMostAll(path.Child("maxUnavailable"), spec.MaxUnavailable)...)
	errs = append(errs, validation.LabelSelector(path.Child("selector"), spec.Selector)...)
	if policy := spec.UnhealthyPodEvictionPolicy; policy != nil {
		known := []policyv1.UnhealthyPodEvictionPolicyType{policyv1.AlwaysAllow, policyv1.IfHealthyBudget}
		if *policy != known[0] && *policy != known[1] { // an empty one is not a missing one here
			errs = append(errs, field.NotSupported(path.Child("unhealthyPodEvictionPolicy"), *policy, known))
		}
	}
	return errs
}

func validateBudgetStatus(b, _ *policyv1.PodDisruptionBudget) field.ErrorList {
	path, s := field.NewPath("status"), &b.Status
	errs := metav1validation.ValidateConditions(s.Conditions, path.Child("conditions"))
	errs = append(errs, validation.NotNegative(path.Child("disruptionsAllowed"), s.DisruptionsAllowed)...)
	errs = append(errs, validation.NotNegative(path.Child("currentHealthy"), s.CurrentHealthy)...)
	errs = append(errs, validation.NotNegative(path.Child("desiredHealthy"), s.DesiredHealthy)...)
	return append(errs, validation.NotNegative(path.Child("expectedPods"), s.ExpectedPods)...)
}
