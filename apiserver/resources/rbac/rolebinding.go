package rbac

import (
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func roleBindings() *resources.Resource {
	return &resources.Resource{
		Kind:           rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
		Plural:         "rolebindings",
		CreateOnUpdate: true,
		New:            func() resources.Object { return &rbacv1.RoleBinding{} },
		NewList:        func() runtime.Object { return &rbacv1.RoleBindingList{} },
		Default:        resources.Each(func(b *rbacv1.RoleBinding) { defaultRoleBinding(&b.RoleRef, b.Subjects) }),
		Validate: resources.Check(func(b, old *rbacv1.RoleBinding) field.ErrorList {
			errs := validateRoleRef(b.RoleRef, "Role", "ClusterRole")
			errs = append(errs, validateSubjects(b.Subjects, true)...)
			if old != nil {
				errs = append(errs, sameRole(b.RoleRef, old.RoleRef)...)
			}
			return errs
		}),
		Name:    validation.PathSegmentName,
		Idle:    notAsked,
		Columns: roleBindingColumns("roleBinding", rbacv1beta1.RoleBinding{}.SwaggerDoc()["roleRef"]),
		Cells: resources.Cells(func(b *rbacv1.RoleBinding, now time.Time) []any {
			return roleBindingCells(&b.ObjectMeta, b.RoleRef, b.Subjects, now)
		}),
	}
}

// What the two kinds of binding have in common follows.

// defaultRoleBinding fills in the API group where the kind alone says it. A ServiceAccount's is empty.
func defaultRoleBinding(role *rbacv1.RoleRef, subjects []rbacv1.Subject) {
	if role.APIGroup == "" {
		role.APIGroup = rbacv1.GroupName
	}
	for i := range subjects {
		if s := &subjects[i]; s.APIGroup == "" && (s.Kind == rbacv1.UserKind || s.Kind == rbacv1.GroupKind) {
			s.APIGroup = rbacv1.GroupName
		}
	}
}

// validateRoleRef checks which role is given out. Whether there is such a role is not asked: it may come later.
func validateRoleRef(role rbacv1.RoleRef, kinds ...string) field.ErrorList {
	path := field.NewPath("roleRef")
	errs := validation.Supported(path.Child("apiGroup"), role.APIGroup, rbacv1.GroupName)
	errs = append(errs, validation.Supported(path.Child("kind"), role.Kind, kinds...)...)
	return append(errs, validation.RequiredPathSegment(path.Child("name"), role.Name, "")...)
}

// sameRole refuses another role: who may say who is in a binding does not thereby say what it gives them.
func sameRole(role, old rbacv1.RoleRef) field.ErrorList {
	if role == old {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("roleRef"), role, apivalidation.FieldImmutableErrorMsg)}
}

// validateSubjects checks who gets the role. A ServiceAccount without a namespace is one of the binding's namespace.
func validateSubjects(subjects []rbacv1.Subject, namespaced bool) field.ErrorList {
	var errs field.ErrorList
	for i, s := range subjects {
		path := field.NewPath("subjects").Index(i)
		if s.Name == "" {
			errs = append(errs, field.Required(path.Child("name"), ""))
		}
		switch s.Kind {
		case rbacv1.ServiceAccountKind:
			if s.Name != "" {
				errs = append(errs, validation.Invalid(path.Child("name"), s.Name, apivalidation.NameIsDNSSubdomain(s.Name, false))...)
			}
			errs = append(errs, validation.Supported(path.Child("apiGroup"), s.APIGroup, "")...)
			if !namespaced && s.Namespace == "" {
				errs = append(errs, field.Required(path.Child("namespace"), ""))
			}
		case rbacv1.UserKind, rbacv1.GroupKind:
			errs = append(errs, validation.Supported(path.Child("apiGroup"), s.APIGroup, rbacv1.GroupName)...)
		default:
			errs = append(errs, field.NotSupported(path.Child("kind"), s.Kind,
				[]string{rbacv1.ServiceAccountKind, rbacv1.UserKind, rbacv1.GroupKind}))
		}
	}
	return errs
}

func roleBindingColumns(kind, role string) []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Role", "string", 0, role),
		printers.AgeColumn(),
		printers.Column("Users", "string", 1, "Users in the "+kind),
		printers.Column("Groups", "string", 1, "Groups in the "+kind),
		printers.Column("ServiceAccounts", "string", 1, "ServiceAccounts in the "+kind),
	}
}

func roleBindingCells(meta *metav1.ObjectMeta, role rbacv1.RoleRef, subjects []rbacv1.Subject, now time.Time) []any {
	named := map[string][]string{}
	for _, s := range subjects {
		name := s.Name
		if s.Kind == rbacv1.ServiceAccountKind {
			name = s.Namespace + "/" + s.Name
		}
		named[s.Kind] = append(named[s.Kind], name)
	}
	listed := func(kind string) string { return strings.Join(named[kind], ", ") }
	return []any{
		meta.Name, role.Kind + "/" + role.Name, printers.Age(meta.CreationTimestamp, now),
		listed(rbacv1.UserKind), listed(rbacv1.GroupKind), listed(rbacv1.ServiceAccountKind),
	}
}
