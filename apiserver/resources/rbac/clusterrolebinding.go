package rbac

import (
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/validation"
)

func clusterRoleBindings() *resources.Resource {
	return &resources.Resource{
		Kind:           rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"),
		Plural:         "clusterrolebindings",
		CreateOnUpdate: true,
		ClusterScoped:  true,
		New:            func() resources.Object { return &rbacv1.ClusterRoleBinding{} },
		NewList:        func() runtime.Object { return &rbacv1.ClusterRoleBindingList{} },
		Default:        resources.Each(func(b *rbacv1.ClusterRoleBinding) { defaultRoleBinding(&b.RoleRef, b.Subjects) }),
		Validate: resources.Check(func(b, old *rbacv1.ClusterRoleBinding) field.ErrorList {
			errs := validateRoleRef(b.RoleRef, "ClusterRole")
			errs = append(errs, validateSubjects(b.Subjects, false)...)
			if old != nil {
				errs = append(errs, sameRole(b.RoleRef, old.RoleRef)...)
			}
			return errs
		}),
		Name:    validation.PathSegmentName,
		Idle:    notAsked,
		Columns: roleBindingColumns("clusterRoleBinding", rbacv1beta1.ClusterRoleBinding{}.SwaggerDoc()["roleRef"]),
		Cells: resources.Cells(func(b *rbacv1.ClusterRoleBinding, now time.Time) []any {
			return roleBindingCells(&b.ObjectMeta, b.RoleRef, b.Subjects, now)
		}),
	}
}
