package resources

import (
	"maps"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

func replicationControllers() *Resource {
	return &Resource{
		Kind:       corev1.SchemeGroupVersion.WithKind("ReplicationController"),
		Plural:     "replicationcontrollers",
		ShortNames: []string{"rc"},
		Categories: []string{"all"},
		New:        func() Object { return &corev1.ReplicationController{} },
		NewList:    func() runtime.Object { return &corev1.ReplicationControllerList{} },
		Generation: true,
		Subresources: []Subresource{
			scaleReplicationController(),
			status(func(rc, body *corev1.ReplicationController) { rc.Status = body.Status }, validateRCStatus),
		},
		Default:  each(defaultRC),
		Validate: check(validateRC),
		Warn: warn(func(rc, old *corev1.ReplicationController) []string {
			if old == nil {
				return warnTemplate(rc.Spec.Template, nil)
			}
			return warnTemplate(rc.Spec.Template, old.Spec.Template)
		}),
		Fields: of(func(rc *corev1.ReplicationController) fields.Set {
			return fields.Set{"status.replicas": strconv.Itoa(int(rc.Status.Replicas))}
		}),
		OrphanByDefault: true,
		Columns:         rcColumns(),
		Cells:           cells(rcCells),
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
	defaultTemplate(rc.Spec.Template)
}

func validateRC(rc, _ *corev1.ReplicationController) field.ErrorList {
	path, spec := field.NewPath("spec"), &rc.Spec
	errs := notNegative(path.Child("minReadySeconds"), spec.MinReadySeconds)
	if len(spec.Selector) == 0 {
		errs = append(errs, field.Required(path.Child("selector"), ""))
	}
	errs = append(errs, notNegative(path.Child("replicas"), ptr.Deref(spec.Replicas, 0))...)
	return append(errs, validateReplicaTemplate(path.Child("template"), spec.Template,
		labels.Set(spec.Selector).AsSelector(), "ReplicationController")...)
}

func validateRCStatus(rc, _ *corev1.ReplicationController) field.ErrorList {
	s := rc.Status
	return validateCounts(counts{
		s.Replicas, s.FullyLabeledReplicas, s.ReadyReplicas, s.AvailableReplicas, s.ObservedGeneration,
	})
}

func rcColumns() []metav1.TableColumnDefinition {
	spec, status := corev1.ReplicationControllerSpec{}.SwaggerDoc(), corev1.ReplicationControllerStatus{}.SwaggerDoc()
	return append([]metav1.TableColumnDefinition{
		nameColumn(0),
		column("Desired", "integer", 0, spec["replicas"]),
		column("Current", "integer", 0, status["replicas"]),
		column("Ready", "integer", 0, status["readyReplicas"]),
		ageColumn(),
	}, templateColumns(spec["selector"])...)
}

func rcCells(rc *corev1.ReplicationController, now time.Time) []any {
	var names, images string
	if rc.Spec.Template != nil {
		names, images = containerCells(rc.Spec.Template.Spec.Containers)
	}
	return []any{
		rc.Name, int64(ptr.Deref(rc.Spec.Replicas, 0)), int64(rc.Status.Replicas), int64(rc.Status.ReadyReplicas),
		age(rc.CreationTimestamp, now), names, images, labels.FormatLabels(rc.Spec.Selector),
	}
}

func scaleReplicationController() Subresource {
	return scale(corev1.GroupName,
		func(obj Object) **int32 { return &obj.(*corev1.ReplicationController).Spec.Replicas },
		func(obj Object) int32 { return obj.(*corev1.ReplicationController).Status.Replicas },
		func(obj Object) (string, error) {
			return labels.SelectorFromSet(obj.(*corev1.ReplicationController).Spec.Selector).String(), nil
		})
}
