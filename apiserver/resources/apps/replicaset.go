package apps

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func replicaSets() *resources.Resource {
	return &resources.Resource{
		Kind:       appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		Plural:     "replicasets",
		NameOnce:   true,
		ShortNames: []string{"rs"},
		Categories: []string{"all"},
		New:        func() resources.Object { return &appsv1.ReplicaSet{} },
		NewList:    func() runtime.Object { return &appsv1.ReplicaSetList{} },
		Generation: true,
		Subresources: []resources.Subresource{
			scaleReplicaSet(),
			resources.Status(func(rs, body *appsv1.ReplicaSet) { rs.Status = body.Status }, validateReplicaSetStatus),
		},
		Default:  resources.Each(defaultReplicaSet),
		Validate: resources.Check(validateReplicaSet),
		Warn:     resources.Warn(warnReplicaSet),
		Fields: resources.Of(func(rs *appsv1.ReplicaSet) fields.Set {
			return fields.Set{"status.replicas": strconv.Itoa(int(rs.Status.Replicas))}
		}),
		Columns: replicaSetColumns(),
		Cells:   resources.Cells(replicaSetCells),
	}
}

func defaultReplicaSet(rs *appsv1.ReplicaSet) {
	if rs.Spec.Replicas == nil {
		rs.Spec.Replicas = ptr.To(int32(1))
	}
	podspec.DefaultTemplate(&rs.Spec.Template)
}

func validateReplicaSet(rs, old *appsv1.ReplicaSet) field.ErrorList {
	path, spec := field.NewPath("spec"), &rs.Spec
	errs := validation.NotNegative(path.Child("replicas"), ptr.Deref(spec.Replicas, 0))
	errs = append(errs, validation.NotNegative(path.Child("minReadySeconds"), spec.MinReadySeconds)...)
	errs = append(errs, validateSelector(path.Child("selector"), spec.Selector)...)
	if s, err := metav1.LabelSelectorAsSelector(spec.Selector); err != nil {
		errs = append(errs, field.Invalid(path.Child("selector"), spec.Selector, "invalid label selector"))
	} else {
		errs = append(errs, podspec.ValidateReplicaTemplate(path.Child("template"), &spec.Template, s, "ReplicaSet")...)
	}
	if old != nil {
		errs = append(errs, validation.Immutable(path.Child("selector"), spec.Selector, old.Spec.Selector)...)
	}
	return errs
}

func validateReplicaSetStatus(rs, _ *appsv1.ReplicaSet) field.ErrorList {
	s := rs.Status
	return podspec.ValidateCounts(podspec.Counts{
		Replicas: s.Replicas, FullyLabeled: &s.FullyLabeledReplicas, Ready: s.ReadyReplicas, Available: s.AvailableReplicas,
		ObservedGeneration: s.ObservedGeneration, Terminating: s.TerminatingReplicas,
	})
}

// warnReplicaSet warns whoever writes a ReplicaSet by hand; one that a Deployment makes was warned of there.
func warnReplicaSet(rs, old *appsv1.ReplicaSet) []string {
	switch {
	case metav1.GetControllerOfNoCopy(rs) != nil:
		return nil
	case old == nil:
		return append(podspec.WarnName(rs.Name), podspec.WarnTemplate(&rs.Spec.Template)...)
	case rs.Generation == old.Generation:
		return nil
	}
	return podspec.WarnTemplate(&rs.Spec.Template)
}

func replicaSetColumns() []metav1.TableColumnDefinition {
	spec, status := appsv1.ReplicaSetSpec{}.SwaggerDoc(), appsv1.ReplicaSetStatus{}.SwaggerDoc()
	return append([]metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Desired", "integer", 0, spec["replicas"]),
		printers.Column("Current", "integer", 0, status["replicas"]),
		printers.Column("Ready", "integer", 0, status["readyReplicas"]),
		printers.AgeColumn(),
	}, printers.TemplateColumns(spec["selector"])...)
}

func replicaSetCells(rs *appsv1.ReplicaSet, now time.Time) []any {
	names, images := printers.ContainerCells(rs.Spec.Template.Spec.Containers)
	return []any{
		rs.Name, int64(ptr.Deref(rs.Spec.Replicas, 0)), int64(rs.Status.Replicas), int64(rs.Status.ReadyReplicas),
		printers.Age(rs.CreationTimestamp, now), names, images, metav1.FormatLabelSelector(rs.Spec.Selector),
	}
}

func scaleReplicaSet() resources.Subresource {
	return resources.Scale(appsv1.GroupName,
		func(obj resources.Object) **int32 { return &obj.(*appsv1.ReplicaSet).Spec.Replicas },
		func(obj resources.Object) int32 { return obj.(*appsv1.ReplicaSet).Status.Replicas },
		func(obj resources.Object) (string, error) {
			return selectorString(obj.(*appsv1.ReplicaSet).Spec.Selector)
		})
}
