package resources

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// persistentVolumeClaims carry no finalizer kubernetes.io/pvc-protection: upstream's admission adds it, and nothing
// would take it away again.
func persistentVolumeClaims() *Resource {
	return &Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"),
		Plural:        "persistentvolumeclaims",
		ShortNames:    []string{"pvc"},
		New:           func() Object { return &corev1.PersistentVolumeClaim{} },
		NewList:       func() runtime.Object { return &corev1.PersistentVolumeClaimList{} },
		ReturnDeleted: true,
		Idle:          "no controller finds or makes a volume for it, so it stays Pending, and so do the pods that use it",
		Subresources: []Subresource{
			status(func(c, body *corev1.PersistentVolumeClaim) { c.Status = body.Status },
				func(c, _ *corev1.PersistentVolumeClaim) field.ErrorList { return validateClaimStatus(&c.Status) }),
		},
		Default: each(func(c *corev1.PersistentVolumeClaim) {
			if c.Status.Phase == "" {
				c.Status.Phase = corev1.ClaimPending
			}
			roundUp(c.Status.Capacity)
			roundUp(c.Status.AllocatedResources)
			defaultClaimSpec(&c.Spec)
		}),
		Prepare: pair(func(c, old *corev1.PersistentVolumeClaim) {
			if old == nil {
				c.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}
			}
			prepareClaimSpec(&c.Spec)
		}),
		Validate: check(validateClaim),
		Warn:     warn(warnClaim),
		Columns:  claimColumns(),
		Cells:    cells(claimCells),
	}
}

// defaultClaimSpec completes the spec of a claim, also of one that is to be made of a template.
func defaultClaimSpec(spec *corev1.PersistentVolumeClaimSpec) {
	if spec.VolumeMode == nil {
		spec.VolumeMode = ptr.To(corev1.PersistentVolumeFilesystem)
	}
	roundUp(spec.Resources.Limits)
	roundUp(spec.Resources.Requests)
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
	return append(warnClassAnnotation(c.Annotations), warnClaimSpec(field.NewPath("spec"), &c.Spec)...)
}

func warnClaimSpec(path *field.Path, spec *corev1.PersistentVolumeClaimSpec) []string {
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
	if spec.DataSource != nil || spec.DataSourceRef != nil {
		warnings = append(warnings, path.String()+".dataSource and dataSourceRef are not honoured by minik yet: "+
			"no controller fills a volume from them")
	}
	return warnings
}

func claimColumns() []metav1.TableColumnDefinition {
	spec, status := corev1.PersistentVolumeClaimSpec{}.SwaggerDoc(), corev1.PersistentVolumeClaimStatus{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		nameColumn(0),
		column("Status", "string", 0, status["phase"]),
		column("Volume", "string", 0, spec["volumeName"]),
		column("Capacity", "string", 0, status["capacity"]),
		column("Access Modes", "string", 0, status["accessModes"]),
		column("StorageClass", "string", 0, "StorageClass of the pvc"),
		column("VolumeAttributesClass", "string", 0, "VolumeAttributesClass of the pvc"),
		ageColumn(),
		column("VolumeMode", "string", 1, spec["volumeMode"]),
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
		c.Name, phase, c.Spec.VolumeName, size, modes, class, ptr.Deref(c.Spec.VolumeAttributesClassName, unset),
		age(c.CreationTimestamp, now), string(ptr.Deref(c.Spec.VolumeMode, unset)),
	}
}
