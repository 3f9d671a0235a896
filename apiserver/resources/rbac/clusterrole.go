package rbac

import (
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func clusterRoles() *resources.Resource {
	return &resources.Resource{
		Kind:           rbacv1.SchemeGroupVersion.WithKind("ClusterRole"),
		Plural:         "clusterroles",
		CreateOnUpdate: true,
		ClusterScoped:  true,
		New:            func() resources.Object { return &rbacv1.ClusterRole{} },
		NewList:        func() runtime.Object { return &rbacv1.ClusterRoleList{} },
		Validate:       resources.Check(validateClusterRole),
		Name:           validation.PathSegmentName,
		Warn: resources.Warn(func(r, old *rbacv1.ClusterRole) []string {
			if r.AggregationRule == nil || (old != nil && old.AggregationRule != nil) {
				return nil
			}
			return []string{"aggregationRule is not honoured by minik yet: no controller fills in the rules"}
		}),
		Idle:    notAsked,
		Columns: roleColumns(),
		Cells: resources.Cells(func(r *rbacv1.ClusterRole, _ time.Time) []any {
			return []any{r.Name, printers.Created(r.CreationTimestamp)}
		}),
	}
}

func validateClusterRole(r, _ *rbacv1.ClusterRole) field.ErrorList {
	errs := validateRules(field.NewPath("rules"), r.Rules, false)
	if r.AggregationRule == nil {
		return errs
	}
	path, selectors := field.NewPath("aggregationRule", "clusterRoleSelectors"), r.AggregationRule.ClusterRoleSelectors
	if len(selectors) == 0 {
		errs = append(errs, field.Required(path,
			"at least one clusterRoleSelector required if aggregationRule is non-nil"))
	}
	for i := range selectors {
		errs = append(errs, validation.LabelSelector(path.Index(i), &selectors[i])...)
		if _, err := metav1.LabelSelectorAsSelector(&selectors[i]); err != nil {
			errs = append(errs, field.Invalid(path.Index(i), nil, "invalid label selector."))
		}
	}
	return errs
}
