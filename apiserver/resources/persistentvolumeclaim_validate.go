package resources

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

func validateClaim(c, old *corev1.PersistentVolumeClaim) field.ErrorList {
	path := field.NewPath("spec")
	errs := validateClaimSpec(path, &c.Spec)
	if old != nil {
		errs = append(errs, validateClaimUpdate(path, c, old)...)
	}
	return errs
}

// validateClaimSpec checks the spec of a claim: of one that is written, of a StatefulSet's volumeClaimTemplates, and of
// a pod's ephemeral volume.
func validateClaimSpec(path *field.Path, spec *corev1.PersistentVolumeClaimSpec) field.ErrorList {
	errs := validateAccessModes(path.Child("accessModes"), spec.AccessModes, "at least 1 access mode is required")
	errs = append(errs, labelSelector(path.Child("selector"), spec.Selector)...)
	at := path.Child("resources").Key(string(corev1.ResourceStorage))
	if size, ok := spec.Resources.Requests[corev1.ResourceStorage]; !ok {
		errs = append(errs, field.Required(at, ""))
	} else if wrong := quantityOf(at, corev1.ResourceStorage, size); len(wrong) > 0 {
		errs = append(errs, wrong...)
	} else {
		errs = append(errs, positive(at, size)...)
	}
	if class := ptr.Deref(spec.StorageClassName, ""); class != "" {
		errs = append(errs, dnsSubdomain(path.Child("storageClassName"), class)...)
	}
	errs = append(errs, validateVolumeMode(path.Child("volumeMode"), spec.VolumeMode)...)
	errs = append(errs, validateDataSources(path, spec)...)
	if class := ptr.Deref(spec.VolumeAttributesClassName, ""); class != "" {
		errs = append(errs, dnsSubdomain(path.Child("volumeAttributesClassName"), class)...)
	}
	return errs
}

// validateDataSources asks the two fields that say what a volume starts with to say the same.
func validateDataSources(path *field.Path, spec *corev1.PersistentVolumeClaimSpec) field.ErrorList {
	var errs field.ErrorList
	source, ref := spec.DataSource, spec.DataSourceRef
	if source != nil {
		errs = append(errs, validateDataSource(path.Child("dataSource"), source.APIGroup, source.Kind, source.Name)...)
	}
	if ref == nil {
		return errs
	}
	at, namespace := path.Child("dataSourceRef"), ptr.Deref(ref.Namespace, "")
	errs = append(errs, validateDataSource(at, ref.APIGroup, ref.Kind, ref.Name)...)
	if namespace != "" {
		errs = append(errs, mistakes(at.Child("namespace"), namespace, apivalidation.ValidateNamespaceName(namespace, false))...)
	}
	switch {
	case source == nil:
	case namespace != "":
		errs = append(errs, field.Invalid(path, path.Child("dataSource").String(),
			"may not be specified when dataSourceRef.namespace is specified"))
	case ptr.Deref(source.APIGroup, "") != ptr.Deref(ref.APIGroup, ""), source.Kind != ref.Kind, source.Name != ref.Name:
		errs = append(errs, field.Invalid(path, path.Child("dataSource").String(), "must match dataSourceRef"))
	}
	return errs
}

func validateDataSource(path *field.Path, group *string, kind, name string) field.ErrorList {
	errs := required(path.Child("name"), name)
	errs = append(errs, required(path.Child("kind"), kind)...)
	switch g := ptr.Deref(group, ""); {
	case g != "":
		errs = append(errs, dnsSubdomain(path.Child("apiGroup"), g)...)
	case kind != "PersistentVolumeClaim":
		errs = append(errs, field.Invalid(path, kind,
			"must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
	}
	return errs
}

// validateClaimUpdate keeps the spec, so that quotas cannot be got around, with upstream's exceptions: a volume is
// named once; a class is named where none was; a bound claim may grow and change its attributes.
func validateClaimUpdate(path *field.Path, c, old *corev1.PersistentVolumeClaim) field.ErrorList {
	errs := immutableClass(c.Annotations, old.Annotations)
	is, was := c.Spec.DeepCopy(), old.Spec.DeepCopy()
	prepareClaimSpec(was)
	size, oldSize := is.Resources.Requests[corev1.ResourceStorage], was.Resources.Requests[corev1.ResourceStorage]
	// What may change is set back to what it was; what then still differs may not.
	if was.VolumeName == "" {
		is.VolumeName = ""
	}
	if was.StorageClassName == nil && is.StorageClassName != nil && (!hasClass(old.Annotations) ||
		old.Annotations[deprecatedClass] == *is.StorageClassName) {
		is.StorageClassName = nil
	}
	if c.Status.Phase == corev1.ClaimBound && is.Resources.Requests != nil {
		is.Resources.Requests[corev1.ResourceStorage] = oldSize
	}
	if c.Status.Phase == corev1.ClaimBound {
		is.VolumeAttributesClassName = was.VolumeAttributesClassName
	}
	if !equality.Semantic.DeepEqual(is, was) {
		errs = append(errs, field.Forbidden(path, fmt.Sprintf("spec is immutable after creation except "+
			"resources.requests and volumeAttributesClassName for bound claims\n%v", diff.Diff(was, is))))
	}
	// A request that could not be met may be taken back, but never below what there is.
	if has := old.Status.Capacity[corev1.ResourceStorage]; size.Cmp(oldSize) < 0 && size.Cmp(has) <= 0 {
		errs = append(errs, field.Forbidden(path.Child("resources", "requests", "storage"),
			"field can not be less than status.capacity"))
	}
	errs = append(errs, immutable(field.NewPath("volumeMode"), c.Spec.VolumeMode, old.Spec.VolumeMode)...)
	return append(errs, keepsAttributes(path.Child("volumeAttributesClassName"), c, old)...)
}

// keepsAttributes lets a class be taken away only as long as the volume has not got it yet.
func keepsAttributes(path *field.Path, c, old *corev1.PersistentVolumeClaim) field.ErrorList {
	class, was := c.Spec.VolumeAttributesClassName, old.Spec.VolumeAttributesClassName
	const got = " is forbidden when status.currentVolumeAttributesClassName is not nil"
	switch {
	case ptr.Equal(class, was), old.Status.CurrentVolumeAttributesClassName == nil:
		return nil
	case class == nil:
		return field.ErrorList{field.Forbidden(path, "update to nil"+got)}
	case *class == "":
		return field.ErrorList{field.Forbidden(path, "update to empty string"+got)}
	}
	return nil
}

func hasClass(annotations map[string]string) bool {
	_, ok := annotations[deprecatedClass]
	return ok
}

func immutableClass(is, was map[string]string) field.ErrorList {
	if is[deprecatedClass] == was[deprecatedClass] {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "annotations").Key(deprecatedClass),
		is[deprecatedClass], "field is immutable")}
}

// resizeStates are what may be said of a claim that grows.
var resizeStates = []corev1.ClaimResourceStatus{
	corev1.PersistentVolumeClaimControllerResizeInProgress, corev1.PersistentVolumeClaimControllerResizeInfeasible,
	corev1.PersistentVolumeClaimNodeResizePending, corev1.PersistentVolumeClaimNodeResizeInProgress,
	corev1.PersistentVolumeClaimNodeResizeInfeasible,
}

func validateClaimStatus(s *corev1.PersistentVolumeClaimStatus) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("status")
	for _, name := range sortedKeys(s.Capacity) {
		errs = append(errs, basicQuantity(path.Child("capacity").Key(string(name)), s.Capacity[name])...)
	}
	states := path.Child("allocatedResourceStatus")
	for _, name := range sortedKeys(s.AllocatedResourceStatuses) {
		errs = append(errs, claimResource(states, name)...)
		if state := s.AllocatedResourceStatuses[name]; !slices.Contains(resizeStates, state) {
			errs = append(errs, field.NotSupported(states, name, resizeStates))
		}
	}
	allocated := path.Child("allocatedResources")
	for _, name := range sortedKeys(s.AllocatedResources) {
		errs = append(errs, claimResource(allocated, name)...)
		errs = append(errs, basicQuantity(allocated.Key(string(name)), s.AllocatedResources[name])...)
	}
	return errs
}

// claimResource takes storage, and names with a domain that is not Kubernetes' own.
func claimResource(path *field.Path, name corev1.ResourceName) field.ErrorList {
	if name == corev1.ResourceStorage {
		return nil
	}
	if errs := qualifiedName(path, string(name)); len(errs) > 0 {
		return errs
	}
	if !strings.Contains(string(name), "/") || isNative(name) {
		return field.ErrorList{field.NotSupported(path, name, []corev1.ResourceName{corev1.ResourceStorage})}
	}
	return nil
}
