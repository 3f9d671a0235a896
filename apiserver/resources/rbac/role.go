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

// notAsked is what is missing for the four kinds of RBAC.
const notAsked = "the authorizer does not ask it, so it allows nobody anything"

func roles() *resources.Resource {
	return &resources.Resource{
		Kind:           rbacv1.SchemeGroupVersion.WithKind("Role"),
		Plural:         "roles",
		CreateOnUpdate: true,
		New:            func() resources.Object { return &rbacv1.Role{} },
		NewList:        func() runtime.Object { return &rbacv1.RoleList{} },
		Validate: resources.Check(func(r, _ *rbacv1.Role) field.ErrorList {
			return validateRules(field.NewPath("rules"), r.Rules, true)
		}),
		Name:    validation.PathSegmentName,
		Idle:    notAsked,
		Columns: roleColumns(),
		Cells: resources.Cells(func(r *rbacv1.Role, _ time.Time) []any {
			return []any{r.Name, printers.Created(r.CreationTimestamp)}
		}),
	}
}

// validateRules checks what a role allows. A rule is about resources, or about paths such as /healthz, which are in no
// namespace.
func validateRules(path *field.Path, rules []rbacv1.PolicyRule, namespaced bool) field.ErrorList {
	var errs field.ErrorList
	for i, rule := range rules {
		at := path.Index(i)
		if len(rule.Verbs) == 0 {
			errs = append(errs, field.Required(at.Child("verbs"), ""))
		}
		if len(rule.NonResourceURLs) > 0 {
			errs = append(errs, validateURLRule(at.Child("nonResourceURLs"), &rule, namespaced)...)
			continue
		}
		if len(rule.APIGroups) == 0 {
			errs = append(errs,
				field.Required(at.Child("apiGroups"), "resource rules must supply at least one api group"))
		}
		if len(rule.Resources) == 0 {
			errs = append(errs,
				field.Required(at.Child("resources"), "resource rules must supply at least one resource"))
		}
	}
	return errs
}

func validateURLRule(path *field.Path, rule *rbacv1.PolicyRule, namespaced bool) field.ErrorList {
	var errs field.ErrorList
	if namespaced {
		errs = append(errs, field.Invalid(path, rule.NonResourceURLs,
			"namespaced rules cannot apply to non-resource URLs"))
	}
	if len(rule.APIGroups)+len(rule.Resources)+len(rule.ResourceNames) > 0 {
		errs = append(errs, field.Invalid(path, rule.NonResourceURLs,
			"rules cannot apply to both regular resources and non-resource URLs"))
	}
	return errs
}

// roleColumns are those of upstream's kinds that have no printer of their own: the moment itself, not the age.
func roleColumns() []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{printers.NameColumn(0), printers.CreatedColumn()}
}
