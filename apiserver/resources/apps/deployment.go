package apps

import (
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func deployments() *resources.Resource {
	return &resources.Resource{
		Kind:       appsv1.SchemeGroupVersion.WithKind("Deployment"),
		Plural:     "deployments",
		NameOnce:   true,
		ShortNames: []string{"deploy"},
		Categories: []string{"all"},
		New:        func() resources.Object { return &appsv1.Deployment{} },
		NewList:    func() runtime.Object { return &appsv1.DeploymentList{} },
		Generation: true,
		Subresources: []resources.Subresource{
			scaleDeployment(),
			resources.Status(func(d, body *appsv1.Deployment) { d.Status = body.Status }, validateDeploymentStatus,
				"metadata.labels").WithSpecAnnotations(appsv1.DeprecatedRollbackTo),
		},
		Default:  resources.Each(defaultDeployment),
		Prepare:  resources.Pair(prepareDeployment),
		Validate: resources.Check(validateDeployment),
		Warn: resources.Warn(func(d, old *appsv1.Deployment) []string {
			switch {
			case old == nil:
				return append(podspec.WarnName(d.Name), podspec.WarnTemplate(&d.Spec.Template)...)
			case d.Generation == old.Generation: // nothing that a pod would notice
				return nil
			}
			return podspec.WarnTemplate(&d.Spec.Template)
		}),
		Columns: deploymentColumns(),
		Cells:   resources.Cells(deploymentCells),
	}
}

// prepareDeployment counts changes of annotations, too, because they are copied to ReplicaSets. Those of the spec are counted for
// every kind.
func prepareDeployment(d, old *appsv1.Deployment) {
	if old != nil && !equality.Semantic.DeepEqual(d.Annotations, old.Annotations) {
		d.Generation = old.Generation + 1
	}
}

// defaultDeployment fills in upstream's apps/v1 defaults: one replica, a rolling update that moves a quarter of the
// pods at a time, ten old ReplicaSets, and ten minutes to make progress.
func defaultDeployment(d *appsv1.Deployment) {
	spec := &d.Spec
	if spec.Replicas == nil {
		spec.Replicas = ptr.To(int32(1))
	}
	if spec.Strategy.Type == "" {
		spec.Strategy.Type = appsv1.RollingUpdateDeploymentStrategyType
	}
	if spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		if spec.Strategy.RollingUpdate == nil {
			spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{}
		}
		quarter := intstr.FromString("25%")
		if rolling := spec.Strategy.RollingUpdate; rolling.MaxUnavailable == nil {
			rolling.MaxUnavailable = ptr.To(quarter)
		}
		if rolling := spec.Strategy.RollingUpdate; rolling.MaxSurge == nil {
			rolling.MaxSurge = ptr.To(quarter)
		}
	}
	if spec.RevisionHistoryLimit == nil {
		spec.RevisionHistoryLimit = ptr.To(int32(10))
	}
	if spec.ProgressDeadlineSeconds == nil {
		spec.ProgressDeadlineSeconds = ptr.To(int32(600))
	}
	podspec.DefaultTemplate(&spec.Template)
}

func validateDeployment(d, old *appsv1.Deployment) field.ErrorList {
	path, spec := field.NewPath("spec"), &d.Spec
	errs := validation.NotNegative(path.Child("replicas"), ptr.Deref(spec.Replicas, 0))
	errs = append(errs, validateSelector(path.Child("selector"), spec.Selector)...)
	if s, err := metav1.LabelSelectorAsSelector(spec.Selector); err != nil {
		errs = append(errs, field.Invalid(path.Child("selector"), spec.Selector, "invalid label selector"))
	} else {
		errs = append(errs, podspec.ValidateReplicaTemplate(path.Child("template"), &spec.Template, s, "ReplicaSet")...)
	}
	errs = append(errs, validateStrategy(path.Child("strategy"), &spec.Strategy)...)
	if n, err := strconv.ParseInt(d.Annotations[appsv1.DeprecatedRollbackTo], 10, 64); err == nil && n < 0 {
		errs = append(errs, validation.NotNegative(path.Child("rollback", "version"), n)...) // what it was before apps/v1
	}
	errs = append(errs, validation.NotNegative(path.Child("minReadySeconds"), spec.MinReadySeconds)...)
	errs = append(errs, validation.NotNegative(path.Child("revisionHistoryLimit"), ptr.Deref(spec.RevisionHistoryLimit, 0))...)
	if deadline := spec.ProgressDeadlineSeconds; deadline != nil {
		errs = append(errs, validation.NotNegative(path.Child("progressDeadlineSeconds"), *deadline)...)
		if *deadline <= spec.MinReadySeconds {
			errs = append(errs, field.Invalid(path.Child("progressDeadlineSeconds"), *deadline,
				"must be greater than minReadySeconds"))
		}
	}
	if old != nil {
		errs = append(errs, validation.Immutable(path.Child("selector"), spec.Selector, old.Spec.Selector)...)
	}
	return errs
}

func validateStrategy(path *field.Path, s *appsv1.DeploymentStrategy) field.ErrorList {
	rolling := path.Child("rollingUpdate")
	switch s.Type {
	case appsv1.RecreateDeploymentStrategyType:
		if s.RollingUpdate != nil {
			return field.ErrorList{field.Forbidden(rolling, "may not be specified when strategy `type` is 'Recreate'")}
		}
		return nil
	case appsv1.RollingUpdateDeploymentStrategyType:
		if s.RollingUpdate == nil {
			return field.ErrorList{field.Required(rolling, "this should be defaulted and never be nil")}
		}
	default:
		return field.ErrorList{field.NotSupported(path, s, []appsv1.DeploymentStrategyType{
			appsv1.RecreateDeploymentStrategyType, appsv1.RollingUpdateDeploymentStrategyType})}
	}
	unavailable, surge := s.RollingUpdate.MaxUnavailable, s.RollingUpdate.MaxSurge
	errs := validation.IntOrPercent(rolling.Child("maxUnavailable"), unavailable)
	errs = append(errs, validation.IntOrPercent(rolling.Child("maxSurge"), surge)...)
	if validation.IsZero(unavailable) && validation.IsZero(surge) {
		errs = append(errs, field.Invalid(rolling.Child("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0"))
	}
	return append(errs, validation.AtMostAll(rolling.Child("maxUnavailable"), unavailable)...)
}

func validateDeploymentStatus(d, old *appsv1.Deployment) field.ErrorList {
	s := d.Status
	errs := podspec.ValidateCounts(podspec.Counts{
		Replicas: s.Replicas, Ready: s.ReadyReplicas, Available: s.AvailableReplicas,
		ObservedGeneration: s.ObservedGeneration, Terminating: s.TerminatingReplicas,
	})
	path := field.NewPath("status")
	errs = append(errs, validation.NotNegative(path.Child("updatedReplicas"), s.UpdatedReplicas)...)
	errs = append(errs, validation.NotNegative(path.Child("unavailableReplicas"), s.UnavailableReplicas)...)
	if s.UpdatedReplicas > s.Replicas {
		errs = append(errs, field.Invalid(path.Child("updatedReplicas"), s.UpdatedReplicas,
			"cannot be greater than status.replicas"))
	}
	return append(errs, validateCollisions(path.Child("collisionCount"), s.CollisionCount, old.Status.CollisionCount)...)
}

func deploymentColumns() []metav1.TableColumnDefinition {
	spec, status := appsv1.DeploymentSpec{}.SwaggerDoc(), appsv1.DeploymentStatus{}.SwaggerDoc()
	return append([]metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Ready", "string", 0, "Number of the pod with ready state"),
		printers.Column("Up-to-date", "string", 0, status["updatedReplicas"]),
		printers.Column("Available", "string", 0, status["availableReplicas"]),
		printers.AgeColumn(),
	}, printers.TemplateColumns(spec["selector"])...)
}

// selectorCell is the selector as upstream shows that of a deployment: one that chooses all or nothing is empty.
func selectorCell(s *metav1.LabelSelector) string {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return "<invalid>"
	}
	return selector.String()
}

func deploymentCells(d *appsv1.Deployment, now time.Time) []any {
	names, images := printers.ContainerCells(d.Spec.Template.Spec.Containers)
	return []any{
		d.Name, fmt.Sprintf("%d/%d", d.Status.ReadyReplicas, ptr.Deref(d.Spec.Replicas, 0)),
		int64(d.Status.UpdatedReplicas), int64(d.Status.AvailableReplicas), printers.Age(d.CreationTimestamp, now),
		names, images, selectorCell(d.Spec.Selector),
	}
}

func scaleDeployment() resources.Subresource {
	return resources.Scale(appsv1.GroupName,
		func(obj resources.Object) **int32 { return &obj.(*appsv1.Deployment).Spec.Replicas },
		func(obj resources.Object) int32 { return obj.(*appsv1.Deployment).Status.Replicas },
		func(obj resources.Object) (string, error) {
			return selectorString(obj.(*appsv1.Deployment).Spec.Selector)
		})
}
