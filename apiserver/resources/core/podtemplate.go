package core

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
)

// podTemplates is the row of templates that stand by themselves, for tools to make pods of.
func podTemplates() *resources.Resource {
	return &resources.Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("PodTemplate"),
		Plural:        "podtemplates",
		NameOnce:      true,
		New:           func() resources.Object { return &corev1.PodTemplate{} },
		NewList:       func() runtime.Object { return &corev1.PodTemplateList{} },
		ReturnDeleted: true,
		Generation:    true,
		Default:       resources.Each(func(t *corev1.PodTemplate) { podspec.DefaultTemplate(&t.Template) }),
		Validate: resources.Check(func(t, _ *corev1.PodTemplate) field.ErrorList {
			return podspec.ValidateTemplate(field.NewPath("template"), &t.Template)
		}),
		Warn: resources.Warn(func(t, old *corev1.PodTemplate) []string {
			if old != nil && t.Generation == old.Generation {
				return nil
			}
			return podspec.WarnTemplateAt(field.NewPath("template"), &t.Template)
		}),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Containers", "string", 0, "Names of each container in the template."),
			printers.Column("Images", "string", 0, "Images referenced by each container in the template."),
			printers.Column("Pod Labels", "string", 0, "The labels for the pod template."),
		},
		Cells: resources.Cells(func(t *corev1.PodTemplate, _ time.Time) []any {
			names, images := printers.ContainerCells(t.Template.Spec.Containers)
			return []any{t.Name, names, images, labels.FormatLabels(t.Template.Labels)}
		}),
	}
}
