package core

import (
	"maps"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func replicationControllers() *resources.Resource {
	return &resources.Resource{
		Kind:     corev1.SchemeGroupVersion.WithKind("ReplicationController"),
		Plural:   "replicationcontrollers",
		NameOnce: true,
		Name: func(name string, prefix bool) []string {
			if prefix { // of which the form isn't checked (upstream)
				return nil
			}
			return content.IsDNS1123Subdomain(name)
		},
		ShortNames: []string{"rc"},
		Categories: []string{"all"},
		New:        func() resources.Object { return &corev1.ReplicationController{} },
		NewList:    func() runtime.Object { return &corev1.ReplicationControllerList{} },
		Generation: true,
		Subresources: []resources.Subresource{
			scaleReplicationController(),
			resources.Status(func(rc, body *corev1.ReplicationController) { rc.Status = body.Status }, validateRCStatus),
		},
		Default:  resources.Each(defaultRC),
		Validate: resources.Check(validateRC),
		Warn: resources.Warn(func(rc, old *corev1.ReplicationController) []string {
			switch {
			case old == nil:
				return append(podspec.WarnName(rc.Name), podspec.WarnTemplate(rc.Spec.Template)...)
			case rc.Generation == old.Generation:
				return nil
			}
			return podspec.WarnTemplate(old.Spec.Template) // upstream warns of the old one
		}),
		Fields: resources.Of(func(rc *corev1.ReplicationController) fields.Set {
			return fields.Set{"status.replicas": strconv.Itoa(int(rc.Status.Replicas))}
		}),
		OrphanByDefault: true,
		Columns:         rcColumns(),
		Cells:           resources.Cells(rcCells),
	}
}

// defaultRC takes what is missing from the template's labels, which newer kinds do not: there the selector is asked
// for.
func defaultRC(rc *corev1.ReplicationController) {
	if rc.Spec.Replicas == nil {
		rc.Spec.Replicas = ptr.To(int32(1))
	}
	if rc.Spec.Template == nil {
		return
	}
	if l := rc.Spec.Template.Labels; l != nil {
		if len(rc.Spec.Selector) == 0 {
			rc.Spec.Selector = maps.Clone(l)
		}
		if len(rc.Labels) == 0 {
			rc.Labels = maps.Clone(l)
		}
	}
	podspec.DefaultTemplate(rc.Spec.Template)
}

func validateRC(rc, _ *corev1.ReplicationController) field.ErrorList {
	path, spec := field.NewPath("spec"), &rc.Spec
	errs := validation.NotNegative(path.Child("minReadySeconds"), spec.MinReadySeconds)
	if len(spec.Selector) == 0 {
		errs = append(errs, field.Required(path.Child("selector"), ""))
	}
	errs = append(errs, validation.NotNegative(path.Child("replicas"), ptr.Deref(spec.Replicas, 0))...)
	return append(errs, podspec.ValidateReplicaTemplate(path.Child("template"), spec.Template,
		labels.Set(spec.Selector).AsSelector(), "ReplicationController")...)
}

func validateRCStatus(rc, _ *corev1.ReplicationController) field.ErrorList {
	s := rc.Status
	return podspec.ValidateCounts(podspec.Counts{
		Replicas: s.Replicas, FullyLabeled: &s.FullyLabeledReplicas, Ready: s.ReadyReplicas, Available: s.AvailableReplicas,
		ObservedGeneration: s.ObservedGeneration,
	})
}

func rcColumns() []metav1.TableColumnDefinition {
	spec, status := corev1.ReplicationControllerSpec{}.SwaggerDoc(), corev1.ReplicationControllerStatus{}.SwaggerDoc()
	return append([]metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Desired", "integer", 0, spec["replicas"]),
		printers.Column("Current", "integer", 0, status["replicas"]),
		printers.Column("Ready", "integer", 0, status["readyReplicas"]),
		printers.AgeColumn(),
	}, printers.TemplateColumns(spec["selector"])...)
}

func rcCells(rc *corev1.ReplicationController, now time.Time) []any {
	var names, images string
	if rc.Spec.Template != nil {
		names, images = printers.ContainerCells(rc.Spec.Template.Spec.Containers)
	}
	return []any{
		rc.Name, int64(ptr.Deref(rc.Spec.Replicas, 0)), int64(rc.Status.Replicas), int64(rc.Status.ReadyReplicas),
		printers.Age(rc.CreationTimestamp, now), names, images, labels.FormatLabels(rc.Spec.Selector),
	}
}

func scaleReplicationController() resources.Subresource {
	return resources.Scale(corev1.GroupName,
		func(obj resources.Object) **int32 { return &obj.(*corev1.ReplicationController).Spec.Replicas },
		func(obj resources.Object) int32 { return obj.(*corev1.ReplicationController).Status.Replicas },
		func(obj resources.Object) (string, error) {
			return labels.SelectorFromSet(obj.(*corev1.ReplicationController).Spec.Selector).String(), nil
		})
}
