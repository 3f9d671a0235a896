package resources

import (
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func clusterRoleBindings() *Resource {
	return &Resource{
		Kind:           rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"),
		Plural:         "clusterrolebindings",
		CreateOnUpdate: true,
		ClusterScoped:  true,
		New:            func() Object { return &rbacv1.ClusterRoleBinding{} },
		NewList:        func() runtime.Object { return &rbacv1.ClusterRoleBindingList{} },
		Default:        each(func(b *rbacv1.ClusterRoleBinding) { defaultRoleBinding(&b.RoleRef, b.Subjects) }),
		Validate: check(func(b, old *rbacv1.ClusterRoleBinding) field.ErrorList {
			errs := validateRoleRef(b.RoleRef, "ClusterRole")
			errs = append(errs, validateSubjects(b.Subjects, false)...)
			if old != nil {
				errs = append(errs, sameRole(b.RoleRef, old.RoleRef)...)
			}
			return errs
		}),
		Name:    pathSegmentName,
		Idle:    notAsked,
		Columns: roleBindingColumns(rbacv1.ClusterRoleBinding{}.SwaggerDoc()["roleRef"]),
		Cells: cells(func(b *rbacv1.ClusterRoleBinding, now time.Time) []any {
			return roleBindingCells(&b.ObjectMeta, b.RoleRef, b.Subjects, now)
		}),
	}
}
