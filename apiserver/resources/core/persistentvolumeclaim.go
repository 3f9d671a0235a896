package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
	"minik.dev/apiserver/resources/volumes"
)

// persistentVolumeClaims carry no finalizer kubernetes.io/pvc-protection: upstream's admission adds it, and nothing
// would take it away again.
func persistentVolumeClaims() *resources.Resource {
	return &resources.Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"),
		Plural:        "persistentvolumeclaims",
		ShortNames:    []string{"pvc"},
		New:           func() resources.Object { return &corev1.PersistentVolumeClaim{} },
		NewList:       func() runtime.Object { return &corev1.PersistentVolumeClaimList{} },
		ReturnDeleted: true,
		Idle:          "no controller finds or makes a volume for it, so it stays Pending, and so do the pods that use it",
		Subresources: []resources.Subresource{
			resources.Status(applyClaimStatus,
				func(c, _ *corev1.PersistentVolumeClaim) field.ErrorList { return validateClaimStatus(&c.Status) }),
		},
		Default: resources.Each(volumes.DefaultClaim),
		Prepare: resources.Pair(func(c, old *corev1.PersistentVolumeClaim) {
			if old != nil {
				dropSources(&c.Spec, &old.Spec)
			} else {
				dropSources(&c.Spec, &corev1.PersistentVolumeClaimSpec{})
			}
			prepareClaimSpec(&c.Spec)
		}),
		Validate: resources.Check(validateClaim),
		Warn:     resources.Warn(warnClaim),
		Columns:  claimColumns(),
		Cells:    resources.Cells(claimCells),
	}
}

// dropSources takes away what upstream drops without a word: a reference to another namespace, as long as CrossNamespaceVolumeDataSource
// is off, and in dataSource, which is the older field, anything else than a claim or a snapshot. What was there before stays.
func dropSources(spec, old *corev1.PersistentVolumeClaimSpec) {
	if ref := spec.DataSourceRef; ref != nil && ptr.Deref(ref.Namespace, "") != "" && old.DataSourceRef == nil {
		spec.DataSourceRef = nil
	}
	source := spec.DataSource
	if source == nil || spec.DataSourceRef != nil || old.DataSource != nil || old.DataSourceRef != nil {
		return
	}
	claim := source.Kind == "PersistentVolumeClaim" && ptr.Deref(source.APIGroup, "") == ""
	if !claim && (source.Kind != "VolumeSnapshot" || ptr.Deref(source.APIGroup, "") != "snapshot.storage.k8s.io") {
		spec.DataSource = nil
	}
}

// prepareClaimSpec lets the two fields that say what a volume starts with agree, where one of them is set and both can
// say it: a reference to another namespace fits into dataSourceRef alone.
func prepareClaimSpec(spec *corev1.PersistentVolumeClaimSpec) {
	source, ref := spec.DataSource, spec.DataSourceRef
	switch {
	case source != nil && ref == nil:
		copied := source.DeepCopy()
		spec.DataSourceRef = &corev1.TypedObjectReference{APIGroup: copied.APIGroup, Kind: copied.Kind, Name: copied.Name}
	case ref != nil && source == nil && ptr.Deref(ref.Namespace, "") == "":
		copied := ref.DeepCopy()
		spec.DataSource = &corev1.TypedLocalObjectReference{APIGroup: copied.APIGroup, Kind: copied.Kind, Name: copied.Name}
	}
}

// warnClaim warns of fractions of a byte, and of what will not be done once claims get volumes.
func warnClaim(c, _ *corev1.PersistentVolumeClaim) []string {
	path := field.NewPath("spec")
	warnings := append(warnClassAnnotation(c.Annotations), volumes.WarnClaimSpec(path, &c.Spec)...)
	return append(warnings, volumes.WarnSources(path, &c.Spec)...)
}

func claimColumns() []metav1.TableColumnDefinition {
	spec, status := corev1.PersistentVolumeClaimSpec{}.SwaggerDoc(), corev1.PersistentVolumeClaimStatus{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Status", "string", 0, status["phase"]),
		printers.Column("Volume", "string", 0, spec["volumeName"]),
		printers.Column("Capacity", "string", 0, status["capacity"]),
		printers.Column("Access Modes", "string", 0, status["accessModes"]),
		printers.Column("StorageClass", "string", 0, "StorageClass of the pvc"),
		printers.Column("VolumeAttributesClass", "string", 0, "VolumeAttributesClass of the pvc"),
		printers.AgeColumn(),
		printers.Column("VolumeMode", "string", 1, spec["volumeMode"]),
	}
}

// claimCells shows the size and the modes of the volume, once there is one.
func claimCells(c *corev1.PersistentVolumeClaim, now time.Time) []any {
	phase, class, size, modes := string(c.Status.Phase), ptr.Deref(c.Spec.StorageClassName, ""), "", ""
	if c.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	if old, ok := c.Annotations[deprecatedClass]; ok {
		class = old
	}
	if c.Spec.VolumeName != "" {
		quantity := c.Status.Capacity[corev1.ResourceStorage]
		size, modes = quantity.String(), accessModes(c.Status.AccessModes)
	}
	return []any{
		c.Name, phase, c.Spec.VolumeName, size, modes, class, ptr.Deref(c.Spec.VolumeAttributesClassName, printers.Unset),
		printers.Age(c.CreationTimestamp, now), string(ptr.Deref(c.Spec.VolumeMode, printers.Unset)),
	}
}

func validateClaim(c, old *corev1.PersistentVolumeClaim) field.ErrorList {
	path := field.NewPath("spec")
	if old == nil {
		return volumes.ValidateClaimSpec(path, &c.Spec)
	}
	return append(volumes.ValidateClaimUpdate(path, &c.Spec, &old.Spec), validateClaimUpdate(path, c, old)...)
}

// validateClaimUpdate keeps the spec, so that quotas cannot be got around, with upstream's exceptions: a volume is
// named once; a class is named where none was; a bound claim may grow and change its attributes.
func validateClaimUpdate(path *field.Path, c, old *corev1.PersistentVolumeClaim) field.ErrorList {
	var errs field.ErrorList
	is, was := c.Spec.DeepCopy(), old.Spec.DeepCopy()
	prepareClaimSpec(was)
	size, oldSize := is.Resources.Requests[corev1.ResourceStorage], was.Resources.Requests[corev1.ResourceStorage]
	// What may change is set back to what it was; what then still differs may not.
	if was.VolumeName == "" {
		is.VolumeName = ""
	}
	named := was.StorageClassName == nil && is.StorageClassName != nil && (!hasClass(old.Annotations) ||
		old.Annotations[deprecatedClass] == *is.StorageClassName)
	if named {
		is.StorageClassName = nil
	}
	// The annotation may go once the field says the same.
	if !named || !hasClass(old.Annotations) || hasClass(c.Annotations) {
		errs = immutableClass(c.Annotations, old.Annotations)
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
	errs = append(errs, validation.Immutable(field.NewPath("volumeMode"), c.Spec.VolumeMode, old.Spec.VolumeMode)...)
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
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "annotations", deprecatedClass),
		is[deprecatedClass], "field is immutable")}
}

// applyClaimStatus takes what a controller or a node says of the claim, but for its health, which is told only where that feature is on.
func applyClaimStatus(c, body *corev1.PersistentVolumeClaim) {
	had := c.Status.HealthStatus != nil
	if c.Status = body.Status; !had {
		c.Status.HealthStatus = nil
	}
}

// resizeStates are what may be said of a claim that grows.
var resizeStates = []corev1.ClaimResourceStatus{
	corev1.PersistentVolumeClaimControllerResizeInProgress, corev1.PersistentVolumeClaimControllerResizeInfeasible,
	corev1.PersistentVolumeClaimNodeResizeInProgress, corev1.PersistentVolumeClaimNodeResizeInfeasible,
	corev1.PersistentVolumeClaimNodeResizePending,
}

func validateClaimStatus(s *corev1.PersistentVolumeClaimStatus) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("status")
	for _, name := range validation.SortedKeys(s.Capacity) {
		errs = append(errs, basicQuantity(path.Child("capacity").Key(string(name)), s.Capacity[name])...)
	}
	states := path.Child("allocatedResourceStatuses")
	for _, name := range validation.SortedKeys(s.AllocatedResourceStatuses) {
		errs = append(errs, claimResource(states, name)...)
		if state := s.AllocatedResourceStatuses[name]; !slices.Contains(resizeStates, state) {
			errs = append(errs, field.NotSupported(states, name, resizeStates))
		}
	}
	allocated := path.Child("allocatedResources")
	for _, name := range validation.SortedKeys(s.AllocatedResources) {
		if wrong := claimResource(allocated, name); len(wrong) > 0 {
			errs = append(errs, wrong...)
			continue
		}
		at, quantity := allocated.Key(string(name)), s.AllocatedResources[name]
		if wrong := basicQuantity(at, quantity); len(wrong) > 0 {
			errs = append(errs, wrong...)
		} else {
			errs = append(errs, validation.Quantity(at, corev1.ResourceStorage, quantity)...)
		}
	}
	return errs
}

// claimResource takes storage, and names with a domain that is not Kubernetes' own.
func claimResource(path *field.Path, name corev1.ResourceName) field.ErrorList {
	if name == corev1.ResourceStorage {
		return nil
	}
	if errs := validation.QualifiedName(path, string(name)); len(errs) > 0 {
		return errs
	}
	if !strings.Contains(string(name), "/") || validation.IsNative(name) {
		return field.ErrorList{field.NotSupported(path, name, []corev1.ResourceName{corev1.ResourceStorage})}
	}
	return nil
}
