package resources

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

func replicaSets() *Resource {
	return &Resource{
		Kind:       appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		Plural:     "replicasets",
		ShortNames: []string{"rs"},
		Categories: []string{"all"},
		New:        func() Object { return &appsv1.ReplicaSet{} },
		NewList:    func() runtime.Object { return &appsv1.ReplicaSetList{} },
		Generation: true,
		Subresources: []Subresource{
			scaleReplicaSet(),
			status(func(rs, body *appsv1.ReplicaSet) { rs.Status = body.Status }, validateReplicaSetStatus),
		},
		Default:  each(defaultReplicaSet),
		Validate: check(validateReplicaSet),
		Warn:     warn(warnReplicaSet),
		Fields: of(func(rs *appsv1.ReplicaSet) fields.Set {
			return fields.Set{"status.replicas": strconv.Itoa(int(rs.Status.Replicas))}
		}),
		Columns: replicaSetColumns(),
		Cells:   cells(replicaSetCells),
	}
}

func defaultReplicaSet(rs *appsv1.ReplicaSet) {
	if rs.Spec.Replicas == nil {
		rs.Spec.Replicas = ptr.To(int32(1))
	}
	defaultTemplate(&rs.Spec.Template)
}

func validateReplicaSet(rs, old *appsv1.ReplicaSet) field.ErrorList {
	path, spec := field.NewPath("spec"), &rs.Spec
	errs := notNegative(path.Child("replicas"), ptr.Deref(spec.Replicas, 0))
	errs = append(errs, notNegative(path.Child("minReadySeconds"), spec.MinReadySeconds)...)
	errs = append(errs, validateSelector(path.Child("selector"), spec.Selector)...)
	if s, err := metav1.LabelSelectorAsSelector(spec.Selector); err != nil {
		errs = append(errs, field.Invalid(path.Child("selector"), spec.Selector, "invalid label selector"))
	} else if spec.Selector != nil {
		errs = append(errs, validateReplicaTemplate(path.Child("template"), &spec.Template, s, "ReplicaSet")...)
	}
	if old != nil {
		errs = append(errs, immutable(path.Child("selector"), spec.Selector, old.Spec.Selector)...)
	}
	return errs
}

func validateReplicaSetStatus(rs, _ *appsv1.ReplicaSet) field.ErrorList {
	s := rs.Status
	return validateCounts(counts{
		s.Replicas, s.FullyLabeledReplicas, s.ReadyReplicas, s.AvailableReplicas, s.ObservedGeneration,
	})
}

// warnReplicaSet warns whoever writes a ReplicaSet by hand; one that a Deployment makes was warned of there.
func warnReplicaSet(rs, old *appsv1.ReplicaSet) []string {
	if metav1.GetControllerOfNoCopy(rs) != nil {
		return nil
	}
	if old == nil {
		return warnTemplate(&rs.Spec.Template, nil)
	}
	return warnTemplate(&rs.Spec.Template, &old.Spec.Template)
}

func replicaSetColumns() []metav1.TableColumnDefinition {
	spec, status := appsv1.ReplicaSetSpec{}.SwaggerDoc(), appsv1.ReplicaSetStatus{}.SwaggerDoc()
	return append([]metav1.TableColumnDefinition{
		nameColumn(0),
		column("Desired", "integer", 0, spec["replicas"]),
		column("Current", "integer", 0, status["replicas"]),
		column("Ready", "integer", 0, status["readyReplicas"]),
		ageColumn(),
	}, templateColumns(spec["selector"])...)
}

func replicaSetCells(rs *appsv1.ReplicaSet, now time.Time) []any {
	names, images := containerCells(rs.Spec.Template.Spec.Containers)
	return []any{
		rs.Name, int64(ptr.Deref(rs.Spec.Replicas, 0)), int64(rs.Status.Replicas), int64(rs.Status.ReadyReplicas),
		age(rs.CreationTimestamp, now), names, images, metav1.FormatLabelSelector(rs.Spec.Selector),
	}
}

func scaleReplicaSet() Subresource {
	return scale(appsv1.GroupName,
		func(obj Object) **int32 { return &obj.(*appsv1.ReplicaSet).Spec.Replicas },
		func(obj Object) int32 { return obj.(*appsv1.ReplicaSet).Status.Replicas },
		func(obj Object) (string, error) { return selectorString(obj.(*appsv1.ReplicaSet).Spec.Selector) })
}
