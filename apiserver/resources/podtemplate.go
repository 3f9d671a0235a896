package resources

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// podTemplates is the row of templates that stand by themselves, for tools to make pods of.
func podTemplates() *Resource {
	return &Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("PodTemplate"),
		Plural:        "podtemplates",
		New:           func() Object { return &corev1.PodTemplate{} },
		NewList:       func() runtime.Object { return &corev1.PodTemplateList{} },
		ReturnDeleted: true,
		Generation:    true,
		Default:       each(func(t *corev1.PodTemplate) { defaultTemplate(&t.Template) }),
		Validate: check(func(t, _ *corev1.PodTemplate) field.ErrorList {
			return validateTemplate(field.NewPath("template"), &t.Template)
		}),
		Warn: warn(func(t, old *corev1.PodTemplate) []string {
			if old == nil {
				return warnTemplateAt(field.NewPath("template"), &t.Template, nil)
			}
			return warnTemplateAt(field.NewPath("template"), &t.Template, &old.Template)
		}),
		Columns: []metav1.TableColumnDefinition{
			nameColumn(0),
			column("Containers", "string", 0, "Names of each container in the template."),
			column("Images", "string", 0, "Images referenced by each container in the template."),
			column("Pod Labels", "string", 0, "The labels for the pod template."),
		},
		Cells: cells(func(t *corev1.PodTemplate, _ time.Time) []any {
			names, images := containerCells(t.Template.Spec.Containers)
			return []any{t.Name, names, images, labels.FormatLabels(t.Template.Labels)}
		}),
	}
}
