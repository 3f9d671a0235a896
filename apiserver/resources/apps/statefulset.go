package apps

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/volumes"
)

func statefulSets() *resources.Resource {
	return &resources.Resource{
		Kind:       appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
		Plural:     "statefulsets",
		NameOnce:   true,
		ShortNames: []string{"sts"},
		Categories: []string{"all"},
		New:        func() resources.Object { return &appsv1.StatefulSet{} },
		NewList:    func() runtime.Object { return &appsv1.StatefulSetList{} },
		Generation: true,
		Subresources: []resources.Subresource{
			scaleStatefulSet(),
			resources.Status(func(set, body *appsv1.StatefulSet) { set.Status = body.Status }, validateStatefulSetStatus),
		},
		Default:  resources.Each(defaultStatefulSet),
		Validate: resources.Check(validateStatefulSet),
		// The names of the pods are made of it, and are host names.
		Name:    apivalidation.NameIsDNSLabel,
		Warn:    resources.Warn(warnStatefulSet),
		Idle:    "no controller makes pods and claims of it",
		Columns: statefulSetColumns(),
		Cells:   resources.Cells(statefulSetCells),
	}
}

// defaultStatefulSet fills in upstream's apps/v1 defaults: one replica, pods made and replaced one after the other, ten
// old revisions, and claims that outlive their pods.
func defaultStatefulSet(set *appsv1.StatefulSet) {
	spec := &set.Spec
	if spec.PodManagementPolicy == "" {
		spec.PodManagementPolicy = appsv1.OrderedReadyPodManagement
	}
	defaultStatefulSetStrategy(&spec.UpdateStrategy)
	if spec.PersistentVolumeClaimRetentionPolicy == nil {
		spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{}
	}
	if policy := spec.PersistentVolumeClaimRetentionPolicy; policy.WhenDeleted == "" {
		policy.WhenDeleted = appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	}
	if policy := spec.PersistentVolumeClaimRetentionPolicy; policy.WhenScaled == "" {
		policy.WhenScaled = appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	}
	if spec.Replicas == nil {
		spec.Replicas = ptr.To(int32(1))
	}
	if spec.RevisionHistoryLimit == nil {
		spec.RevisionHistoryLimit = ptr.To(int32(10))
	}
	podspec.DefaultTemplate(&spec.Template)
	for i := range spec.VolumeClaimTemplates {
		defaultClaimTemplate(&spec.VolumeClaimTemplates[i])
	}
}

// defaultStatefulSetStrategy makes the details of a rolling update only for whoever names no strategy at all: upstream
// leaves them out of one that is named without them.
func defaultStatefulSetStrategy(s *appsv1.StatefulSetUpdateStrategy) {
	if s.Type == "" {
		s.Type = appsv1.RollingUpdateStatefulSetStrategyType
		if s.RollingUpdate == nil {
			s.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{}
		}
	}
	if s.Type != appsv1.RollingUpdateStatefulSetStrategyType || s.RollingUpdate == nil {
		return
	}
	if s.RollingUpdate.Partition == nil {
		s.RollingUpdate.Partition = ptr.To(int32(0))
	}
	if s.RollingUpdate.MaxUnavailable == nil {
		s.RollingUpdate.MaxUnavailable = ptr.To(intstr.FromInt32(1))
	}
}

// warnStatefulSet warns of the claims on every update as well, under another path (upstream).
func warnStatefulSet(set, old *appsv1.StatefulSet) []string {
	var warnings []string
	if old == nil || set.Generation != old.Generation {
		warnings = podspec.WarnTemplate(&set.Spec.Template)
	}
	for i := range set.Spec.VolumeClaimTemplates {
		at, claim := field.NewPath("spec", "volumeClaimTemplates").Index(i), &set.Spec.VolumeClaimTemplates[i]
		if old != nil {
			at = at.Child("Spec")
		}
		warnings = append(warnings, volumes.WarnClaimSpec(at, &claim.Spec)...)
		if old == nil {
			warnings = append(warnings, volumes.WarnSources(at.Child("spec"), &claim.Spec)...)
		}
	}
	if ptr.Deref(set.Spec.RevisionHistoryLimit, 0) < 0 {
		warnings = append(warnings, "spec.revisionHistoryLimit: a negative value retains all historical revisions; "+
			"a value >= 0 is recommended")
	}
	return warnings
}

func statefulSetColumns() []metav1.TableColumnDefinition {
	return append([]metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Ready", "string", 0, "Number of the pod with ready state"),
		printers.AgeColumn(),
	}, printers.TemplateColumns("")[:2]...)
}

func statefulSetCells(set *appsv1.StatefulSet, now time.Time) []any {
	names, images := printers.ContainerCells(set.Spec.Template.Spec.Containers)
	return []any{
		set.Name, fmt.Sprintf("%d/%d", set.Status.ReadyReplicas, ptr.Deref(set.Spec.Replicas, 0)),
		printers.Age(set.CreationTimestamp, now), names, images,
	}
}

func scaleStatefulSet() resources.Subresource {
	return resources.Scale(appsv1.GroupName,
		func(obj resources.Object) **int32 { return &obj.(*appsv1.StatefulSet).Spec.Replicas },
		func(obj resources.Object) int32 { return obj.(*appsv1.StatefulSet).Status.Replicas },
		func(obj resources.Object) (string, error) {
			return selectorString(obj.(*appsv1.StatefulSet).Spec.Selector)
		})
}

// defaultClaimTemplate fills in what upstream does, which includes the phase of a claim that is still to be made. The
// kind is always named, as upstream does when it reads the object: a client that leaves it out changes nothing by that.
func defaultClaimTemplate(claim *corev1.PersistentVolumeClaim) {
	claim.TypeMeta = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "PersistentVolumeClaim"}
	volumes.DefaultClaim(claim)
}
