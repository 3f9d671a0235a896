package volumes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/validation"
)

// DefaultClaim completes a claim, also one in a StatefulSet, which is still to be made.
func DefaultClaim(c *corev1.PersistentVolumeClaim) {
	if c.Status.Phase == "" {
		c.Status.Phase = corev1.ClaimPending
	}
	defaults.RoundUp(c.Status.Capacity)
	defaults.RoundUp(c.Status.AllocatedResources)
	DefaultClaimSpec(&c.Spec)
}

// DefaultClaimSpec completes the spec of a claim, also of one that is to be made of a template.
func DefaultClaimSpec(spec *corev1.PersistentVolumeClaimSpec) {
	if spec.VolumeMode == nil {
		spec.VolumeMode = ptr.To(corev1.PersistentVolumeFilesystem)
	}
	defaults.RoundUp(spec.Resources.Limits)
	defaults.RoundUp(spec.Resources.Requests)
}

// ValidateClaimSpec checks the spec of a claim: of one that is written, of a StatefulSet's volumeClaimTemplates, and of
// a pod's ephemeral volume.
func ValidateClaimSpec(path *field.Path, spec *corev1.PersistentVolumeClaimSpec) field.ErrorList {
	return ValidateClaimUpdate(path, spec, nil)
}

// ValidateClaimUpdate checks the spec of a claim that had another one before, or nil. The group of a data source may be wrong where there
// was one before.
func ValidateClaimUpdate(path *field.Path, spec, old *corev1.PersistentVolumeClaimSpec) field.ErrorList {
	anyGroup := old != nil && (old.DataSource != nil && old.DataSource.APIGroup != nil || old.DataSourceRef != nil && old.DataSourceRef.APIGroup != nil)
	errs := ValidateAccessModes(path.Child("accessModes"), spec.AccessModes, "at least 1 access mode is required")
	errs = append(errs, validation.LabelSelector(path.Child("selector"), spec.Selector)...)
	at := path.Child("resources").Key(string(corev1.ResourceStorage))
	if size, ok := spec.Resources.Requests[corev1.ResourceStorage]; !ok {
		errs = append(errs, field.Required(at, ""))
	} else if wrong := validation.Positive(at, size); len(wrong) > 0 {
		errs = append(errs, wrong...)
	} else {
		errs = append(errs, validation.Quantity(at, corev1.ResourceStorage, size)...)
	}
	if class := ptr.Deref(spec.StorageClassName, ""); class != "" {
		errs = append(errs, validation.DNSSubdomain(path.Child("storageClassName"), class)...)
	}
	errs = append(errs, ValidateMode(path.Child("volumeMode"), spec.VolumeMode)...)
	errs = append(errs, validateDataSources(path, spec, anyGroup)...)
	if class := ptr.Deref(spec.VolumeAttributesClassName, ""); class != "" {
		errs = append(errs, validation.DNSSubdomain(path.Child("volumeAttributesClassName"), class)...)
	}
	return errs
}

// ValidateAccessModes takes at least one mode, and ReadWriteOncePod alone. none is what is said where there is no mode.
func ValidateAccessModes(at *field.Path, modes []corev1.PersistentVolumeAccessMode, none string) field.ErrorList {
	if len(modes) == 0 {
		return field.ErrorList{field.Required(at, none)}
	}
	known := []corev1.PersistentVolumeAccessMode{
		corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOnce, corev1.ReadWriteOncePod,
	}
	var errs field.ErrorList
	single, others := false, false
	for _, mode := range modes {
		switch {
		case !slices.Contains(known, mode):
			errs = append(errs, field.NotSupported(at, mode, known))
		case mode == corev1.ReadWriteOncePod:
			single = true
		default:
			others = true
		}
	}
	if single && others {
		errs = append(errs, field.Forbidden(at, "may not use ReadWriteOncePod with other access modes"))
	}
	return errs
}

// ValidateMode takes Block and Filesystem; nil is left to the default.
func ValidateMode(at *field.Path, mode *corev1.PersistentVolumeMode) field.ErrorList {
	known := []corev1.PersistentVolumeMode{corev1.PersistentVolumeBlock, corev1.PersistentVolumeFilesystem}
	if mode != nil && !slices.Contains(known, *mode) {
		return field.ErrorList{field.NotSupported(at, *mode, known)}
	}
	return nil
}

// validateDataSources asks the two fields that say what a volume starts with to say the same.
func validateDataSources(path *field.Path, spec *corev1.PersistentVolumeClaimSpec, anyGroup bool) field.ErrorList {
	var errs field.ErrorList
	source, ref := spec.DataSource, spec.DataSourceRef
	if source != nil {
		errs = append(errs, validateDataSource(path.Child("dataSource"), source.APIGroup, source.Kind, source.Name, anyGroup)...)
	}
	if ref == nil {
		return errs
	}
	at, namespace := path.Child("dataSourceRef"), ptr.Deref(ref.Namespace, "")
	errs = append(errs, validateDataSource(at, ref.APIGroup, ref.Kind, ref.Name, anyGroup)...)
	if namespace != "" {
		errs = append(errs, validation.Invalid(at.Child("namespace"), namespace, apivalidation.ValidateNamespaceName(namespace, false))...)
	}
	switch {
	case source == nil:
	case namespace != "":
		errs = append(errs, field.Invalid(path, path.Child("dataSource"),
			"may not be specified when dataSourceRef.namespace is specified"))
	case !ptr.Equal(source.APIGroup, ref.APIGroup), source.Kind != ref.Kind, source.Name != ref.Name:
		errs = append(errs, field.Invalid(path, path.Child("dataSource"), "must match dataSourceRef"))
	}
	return errs
}

func validateDataSource(path *field.Path, group *string, kind, name string, anyGroup bool) field.ErrorList {
	errs := validation.Required(path.Child("name"), name)
	errs = append(errs, validation.Required(path.Child("kind"), kind)...)
	switch g := ptr.Deref(group, ""); {
	case g != "" && anyGroup:
	case g != "":
		errs = append(errs, validation.DNSSubdomain(path.Child("apiGroup"), g)...)
	case kind != "PersistentVolumeClaim":
		errs = append(errs, field.Invalid(path, kind,
			"must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
	}
	return errs
}

// WarnClaimSpec warns of fractions of a byte.
func WarnClaimSpec(path *field.Path, spec *corev1.PersistentVolumeClaimSpec) []string {
	var warnings []string
	for _, list := range []struct {
		name  string
		items corev1.ResourceList
	}{{"requests", spec.Resources.Requests}, {"limits", spec.Resources.Limits}} {
		if size, ok := list.items[corev1.ResourceStorage]; ok && size.MilliValue()%1000 != 0 {
			warnings = append(warnings, fmt.Sprintf("%s: fractional byte value %q is invalid, must be an integer",
				path.Child("resources", list.name).Key(string(corev1.ResourceStorage)), size.String()))
		}
	}
	return warnings
}

// WarnSources warns of what no controller does yet.
func WarnSources(path *field.Path, spec *corev1.PersistentVolumeClaimSpec) []string {
	if spec.DataSource == nil && spec.DataSourceRef == nil {
		return nil
	}
	return []string{path.String() + ".dataSource and dataSourceRef are not honoured by minik yet: no controller fills a volume from them"}
}
