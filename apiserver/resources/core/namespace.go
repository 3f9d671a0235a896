package core

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

// namespaces is the row of namespaces. A namespace is not gone before all that is in it: spec.finalizers holds it, and
// the namespace controller takes the finalizer away by the subresource finalize.
func namespaces() *resources.Resource {
	return &resources.Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("Namespace"),
		Plural:        "namespaces",
		Awaited:       true,
		ShortNames:    []string{"ns"},
		ClusterScoped: true,
		Verbs:         withoutDeleteCollection,
		New:           func() resources.Object { return &corev1.Namespace{} },
		NewList:       func() runtime.Object { return &corev1.NamespaceList{} },
		Subresources: []resources.Subresource{
			finalize(),
			resources.Status(func(n, body *corev1.Namespace) { n.Status = body.Status }, validateNamespaceStatus),
		},
		Default:  resources.Each(defaultNamespace),
		Prepare:  resources.Pair(prepareNamespace),
		Validate: resources.Check(validateNamespace),
		Name:     apivalidation.ValidateNamespaceName,
		Retire:   resources.Of(retireNamespace),
		Fields: resources.Of(func(n *corev1.Namespace) fields.Set {
			return fields.Set{"status.phase": string(n.Status.Phase)}
		}),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0), printers.Column("Status", "string", 0, "The status of the namespace"), printers.AgeColumn(),
		},
		Cells: resources.Cells(func(n *corev1.Namespace, now time.Time) []any {
			return []any{n.Name, string(n.Status.Phase), printers.Age(n.CreationTimestamp, now)}
		}),
	}
}

// finalize writes spec.finalizers and nothing else; an update of the namespace itself keeps them.
func finalize() resources.Subresource {
	s := resources.PartOf("finalize", []string{"status"},
		func(n, body *corev1.Namespace) { n.Spec.Finalizers = body.Spec.Finalizers }, validateNamespace)
	s.Verbs, s.Get = []string{"update"}, nil
	return s
}

// defaultNamespace labels a namespace with its own name, so that selectors can name one.
func defaultNamespace(n *corev1.Namespace) {
	if n.Name != "" {
		n.Labels = merged(n.Labels, map[string]string{corev1.LabelMetadataName: n.Name})
	}
	if n.Status.Phase == "" {
		n.Status.Phase = corev1.NamespaceActive
	}
}

func prepareNamespace(n, old *corev1.Namespace) {
	if old != nil {
		n.Spec.Finalizers = old.Spec.Finalizers
		return
	}
	n.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
	for _, f := range n.Spec.Finalizers {
		if f == corev1.FinalizerKubernetes {
			return
		}
	}
	n.Spec.Finalizers = append(n.Spec.Finalizers, corev1.FinalizerKubernetes)
}

// retireNamespace begins the end of a namespace, which its finalizers put off until it is empty.
func retireNamespace(n *corev1.Namespace) (keep bool) {
	n.Status.Phase = corev1.NamespaceTerminating
	return len(n.Spec.Finalizers) > 0
}

func validateNamespace(n, _ *corev1.Namespace) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec", "finalizers")
	for _, f := range n.Spec.Finalizers {
		name := string(f)
		errs = append(errs, apivalidation.ValidateFinalizerName(name, path)...)
		standard := name == string(corev1.FinalizerKubernetes) || name == metav1.FinalizerOrphanDependents ||
			name == metav1.FinalizerDeleteDependents
		if !strings.Contains(name, "/") && !standard {
			errs = append(errs, field.Invalid(path, name,
				"name is neither a standard finalizer name nor is it fully qualified"))
		}
	}
	return errs
}

func validateNamespaceStatus(n, _ *corev1.Namespace) field.ErrorList {
	path, phase := field.NewPath("status", "Phase"), n.Status.Phase
	switch {
	case n.DeletionTimestamp == nil && phase != corev1.NamespaceActive:
		return field.ErrorList{field.Invalid(path, phase, "may only be 'Active' if `deletionTimestamp` is empty")}
	case n.DeletionTimestamp != nil && phase != corev1.NamespaceTerminating:
		return field.ErrorList{field.Invalid(path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")}
	}
	return nil
}

// withoutDeleteCollection are the verbs of kinds whose objects are too dear to be deleted together.
var withoutDeleteCollection = []string{"create", "delete", "get", "list", "patch", "update", "watch"}
