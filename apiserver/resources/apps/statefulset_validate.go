package apps

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
	"minik.dev/apiserver/resources/volumes"
)

// The checks of StatefulSets (pkg/apis/apps/validation/validation.go).

func validateStatefulSet(set, old *appsv1.StatefulSet) field.ErrorList {
	path, spec := field.NewPath("spec"), &set.Spec
	errs := validatePodManagement(path.Child("podManagementPolicy"), spec.PodManagementPolicy)
	errs = append(errs, validateStatefulSetStrategy(path.Child("updateStrategy"), &spec.UpdateStrategy)...)
	errs = append(errs, validateRetention(path.Child("persistentVolumeClaimRetentionPolicy"),
		spec.PersistentVolumeClaimRetentionPolicy)...)
	if old == nil { // these are for good, and were checked
		for i, claim := range spec.VolumeClaimTemplates {
			at := path.Child("volumeClaimTemplates").Index(i).Child("spec")
			errs = append(errs, volumes.ValidateClaimSpec(at, &claim.Spec)...)
		}
	}
	errs = append(errs, validation.NotNegative(path.Child("replicas"), ptr.Deref(spec.Replicas, 0))...)
	errs = append(errs, validation.NotNegative(path.Child("minReadySeconds"), spec.MinReadySeconds)...)
	if spec.Ordinals != nil {
		errs = append(errs, validation.NotNegative(path.Child("ordinals", "start"), spec.Ordinals.Start)...)
	}
	if old == nil && spec.ServiceName != "" {
		errs = append(errs, validation.DNSLabel(path.Child("serviceName"), spec.ServiceName)...)
	}
	errs = append(errs, validateSelectorOf("statefulset", path.Child("selector"), spec.Selector)...)
	template := path.Child("template")
	if s, err := metav1.LabelSelectorAsSelector(spec.Selector); err != nil {
		errs = append(errs, field.Invalid(path.Child("selector"), spec.Selector, ""))
	} else {
		errs = append(errs, validateSetTemplate(template, spec, s)...)
	}
	errs = append(errs, podspec.ValidateReplaced(template, &spec.Template, "StatefulSet")...)
	if old != nil {
		errs = append(errs, validateStatefulSetUpdate(path, spec, &old.Spec)...)
	}
	return errs
}

// validateSetTemplate checks the template with the volumes that the claims become. Hostname and subdomain aren't looked at: the controller
// sets them. Labels and annotations are checked under two paths (upstream).
func validateSetTemplate(path *field.Path, spec *appsv1.StatefulSetSpec, s labels.Selector) field.ErrorList {
	t := withClaims(&spec.Template, spec.VolumeClaimTemplates)
	t.Spec.Hostname, t.Spec.Subdomain = "", ""
	var errs field.ErrorList
	if !s.Empty() && !s.Matches(labels.Set(t.Labels)) {
		errs = append(errs, field.Invalid(path.Child("metadata", "labels"), t.Labels, "`selector` does not match template `labels`"))
	}
	return append(errs, podspec.ValidateTemplate(path, t)...)
}

func validatePodManagement(path *field.Path, policy appsv1.PodManagementPolicyType) field.ErrorList {
	switch policy {
	case appsv1.OrderedReadyPodManagement, appsv1.ParallelPodManagement:
		return nil
	case "":
		return field.ErrorList{field.Required(path, "")}
	}
	return field.ErrorList{field.Invalid(path, policy, fmt.Sprintf("must be '%s' or '%s'",
		appsv1.OrderedReadyPodManagement, appsv1.ParallelPodManagement))}
}

// validateStatefulSetStrategy knows two strategies: the third of the API, Recreate, is behind a feature gate of
// upstream's that is off by default.
func validateStatefulSetStrategy(path *field.Path, s *appsv1.StatefulSetUpdateStrategy) field.ErrorList {
	const rolling, onDelete = appsv1.RollingUpdateStatefulSetStrategyType, appsv1.OnDeleteStatefulSetStrategyType
	at := path.Child("rollingUpdate")
	switch {
	case s.Type == "":
		return field.ErrorList{field.Required(path, "")}
	case s.Type == onDelete && s.RollingUpdate != nil:
		return field.ErrorList{field.Invalid(at, s.RollingUpdate,
			fmt.Sprintf("only allowed for updateStrategy '%s'", rolling))}
	case s.Type != rolling && s.Type != onDelete:
		return field.ErrorList{field.Invalid(path, *s, fmt.Sprintf("must be '%s' or '%s'", rolling, onDelete))}
	case s.RollingUpdate == nil:
		return nil
	}
	errs := validation.NotNegative(at.Child("partition"), ptr.Deref(s.RollingUpdate.Partition, 0))
	unavailable, at := s.RollingUpdate.MaxUnavailable, at.Child("maxUnavailable")
	if unavailable == nil {
		return errs
	}
	errs = append(errs, validation.IntOrPercent(at, unavailable)...)
	if validation.IsZero(unavailable) {
		errs = append(errs, field.Invalid(at, *unavailable, "cannot be 0"))
	}
	return append(errs, validation.AtMostAll(at, unavailable)...)
}

func validateRetention(path *field.Path, p *appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy) field.ErrorList {
	if p == nil {
		return nil
	}
	var errs field.ErrorList
	for _, when := range []struct {
		name   string
		policy appsv1.PersistentVolumeClaimRetentionPolicyType
	}{{"whenDeleted", p.WhenDeleted}, {"whenScaled", p.WhenScaled}} {
		switch when.policy {
		case appsv1.RetainPersistentVolumeClaimRetentionPolicyType, appsv1.DeletePersistentVolumeClaimRetentionPolicyType:
		default:
			errs = append(errs, field.NotSupported(path.Child(when.name), when.policy,
				[]appsv1.PersistentVolumeClaimRetentionPolicyType{
					appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
					appsv1.DeletePersistentVolumeClaimRetentionPolicyType,
				}))
		}
	}
	return errs
}

// withClaims is the template as the pods will have it: each claim is a volume, ahead of the template's own, and takes
// the place of one of the same name.
func withClaims(t *corev1.PodTemplateSpec, claims []corev1.PersistentVolumeClaim) *corev1.PodTemplateSpec {
	var volumes []corev1.Volume
	taken := sets.New[string]()
	for _, claim := range claims {
		if taken.Has(claim.Name) {
			continue
		}
		taken.Insert(claim.Name)
		source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}
		volumes = append(volumes, corev1.Volume{
			Name: claim.Name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source},
		})
	}
	for _, v := range t.Spec.Volumes {
		if !taken.Has(v.Name) {
			volumes = append(volumes, v)
		}
	}
	merged := *t
	merged.Spec.Volumes = volumes
	return &merged
}

// validateStatefulSetUpdate lets change what the pods can follow one after the other; names, claims and the service are
// for good.
func validateStatefulSetUpdate(path *field.Path, spec, old *appsv1.StatefulSetSpec) field.ErrorList {
	errs := validation.Immutable(path.Child("selector"), spec.Selector, old.Selector)
	errs = append(errs, validation.Immutable(path.Child("volumeClaimTemplates"), spec.VolumeClaimTemplates, old.VolumeClaimTemplates)...)
	errs = append(errs, validation.Immutable(path.Child("serviceName"), spec.ServiceName, old.ServiceName)...)
	return append(errs, validation.Immutable(path.Child("podManagementPolicy"), spec.PodManagementPolicy, old.PodManagementPolicy)...)
}

func validateStatefulSetStatus(set, old *appsv1.StatefulSet) field.ErrorList {
	path, s := field.NewPath("status"), &set.Status
	parts := []statusNumber{
		{"readyReplicas", int64(s.ReadyReplicas)},
		{"currentReplicas", int64(s.CurrentReplicas)},
		{"updatedReplicas", int64(s.UpdatedReplicas)},
		{"availableReplicas", int64(s.AvailableReplicas)},
	}
	errs := validation.NotNegative(path.Child("replicas"), s.Replicas)
	errs = append(errs, noneNegative(path, parts...)...)
	errs = append(errs, validation.NotNegative(path.Child("observedGeneration"), s.ObservedGeneration)...)
	for _, part := range parts {
		if part.value > int64(s.Replicas) {
			errs = append(errs, field.Invalid(path.Child(part.name), part.value, "cannot be greater than status.replicas"))
		}
	}
	if s.AvailableReplicas > s.ReadyReplicas {
		errs = append(errs, field.Invalid(path.Child("availableReplicas"), s.AvailableReplicas,
			"cannot be greater than status.readyReplicas"))
	}
	return append(errs, validateCollisions(path.Child("collisionCount"), s.CollisionCount, old.Status.CollisionCount)...)
}
