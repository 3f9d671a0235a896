package resources

import (
	"slices"
	"strings"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

func csiDrivers() *Resource {
	return &Resource{
		Kind:          storagev1.SchemeGroupVersion.WithKind("CSIDriver"),
		Plural:        "csidrivers",
		ClusterScoped: true,
		New:           func() Object { return &storagev1.CSIDriver{} },
		NewList:       func() runtime.Object { return &storagev1.CSIDriverList{} },
		Conditional:   true,
		ReturnDeleted: true,
		Idle:          "no node speaks to CSI drivers",
		Default:       each(defaultCSIDriver),
		Prepare:       pair(prepareCSIDriver),
		Validate:      check(validateCSIDriver),
		Columns:       csiDriverColumns(),
		Cells:         cells(csiDriverCells),
	}
}

func defaultCSIDriver(d *storagev1.CSIDriver) {
	spec := &d.Spec
	orDefault(&spec.AttachRequired, ptr.To(true))
	orDefault(&spec.PodInfoOnMount, ptr.To(false))
	orDefault(&spec.StorageCapacity, ptr.To(false))
	orDefault(&spec.FSGroupPolicy, ptr.To(storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy))
	orDefault(&spec.RequiresRepublish, ptr.To(false))
	orDefault(&spec.SELinuxMount, ptr.To(false))
	if len(spec.VolumeLifecycleModes) == 0 {
		spec.VolumeLifecycleModes = []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent}
	}
}

// prepareCSIDriver counts the changes of the spec from nothing, where other kinds start with 1 (upstream).
func prepareCSIDriver(d, old *storagev1.CSIDriver) {
	if old != nil && !equality.Semantic.DeepEqual(d.Spec, old.Spec) {
		d.Generation = old.Generation + 1
	}
}

func validateCSIDriver(d, old *storagev1.CSIDriver) field.ErrorList {
	path, spec := field.NewPath("spec"), &d.Spec
	var errs field.ErrorList
	if policies := []storagev1.FSGroupPolicy{
		storagev1.FileFSGroupPolicy, storagev1.NoneFSGroupPolicy, storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy,
	}; spec.FSGroupPolicy != nil && !slices.Contains(policies, *spec.FSGroupPolicy) {
		errs = append(errs, field.NotSupported(path.Child("fsGroupPolicy"), *spec.FSGroupPolicy, policies))
	}
	errs = append(errs, validateTokenRequests(path.Child("tokenRequests"), spec.TokenRequests)...)
	for _, mode := range spec.VolumeLifecycleModes {
		errs = append(errs, oneOf(path.Child("volumeLifecycleModes"), mode,
			storagev1.VolumeLifecyclePersistent, storagev1.VolumeLifecycleEphemeral)...)
	}
	if period := spec.NodeAllocatableUpdatePeriodSeconds; period != nil && *period < 10 {
		errs = append(errs, field.Invalid(path.Child("nodeAllocatableUpdatePeriodSeconds"), *period,
			"must be greater than or equal to 10 seconds"))
	}
	if old != nil {
		// Upstream names the field so.
		errs = append(errs, immutable(path.Child("attachedRequired"), spec.AttachRequired, old.Spec.AttachRequired)...)
		errs = append(errs, immutable(path.Child("volumeLifecycleModes"), spec.VolumeLifecycleModes,
			old.Spec.VolumeLifecycleModes)...)
	}
	return errs
}

// validateTokenRequests takes each audience once, with tokens that live for 10 minutes at least.
func validateTokenRequests(path *field.Path, requests []storagev1.TokenRequest) field.ErrorList {
	var errs field.ErrorList
	audiences := unique{}
	for i, r := range requests {
		if twice := audiences.add(path.Index(i).Child("audience"), r.Audience); len(twice) > 0 {
			errs = append(errs, twice...)
			continue
		}
		at, seconds := path.Index(i).Child("expirationSeconds"), r.ExpirationSeconds
		switch {
		case seconds == nil:
		case *seconds < 10*60:
			errs = append(errs, field.Invalid(at, *seconds, "may not specify a duration less than 10 minutes"))
		case *seconds > 1<<32:
			errs = append(errs, field.Invalid(at, *seconds, "may not specify a duration larger than 2^32 seconds"))
		}
	}
	return errs
}

func csiDriverColumns() []metav1.TableColumnDefinition {
	doc := storagev1.CSIDriverSpec{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		nameColumn(0),
		column("AttachRequired", "boolean", 0, doc["attachRequired"]),
		column("PodInfoOnMount", "boolean", 0, doc["podInfoOnMount"]),
		column("StorageCapacity", "boolean", 0, doc["storageCapacity"]),
		column("TokenRequests", "string", 0, doc["tokenRequests"]),
		column("RequiresRepublish", "boolean", 0, doc["requiresRepublish"]),
		column("Modes", "string", 0, doc["volumeLifecycleModes"]),
		ageColumn(),
	}
}

func csiDriverCells(d *storagev1.CSIDriver, now time.Time) []any {
	tokens := unset
	var modes, audiences []string
	for _, mode := range d.Spec.VolumeLifecycleModes {
		modes = append(modes, string(mode))
	}
	for _, r := range d.Spec.TokenRequests {
		audiences = append(audiences, r.Audience)
	}
	if d.Spec.TokenRequests != nil {
		tokens = strings.Join(audiences, ",")
	}
	return []any{
		d.Name, ptr.Deref(d.Spec.AttachRequired, true), ptr.Deref(d.Spec.PodInfoOnMount, false),
		ptr.Deref(d.Spec.StorageCapacity, false), tokens, ptr.Deref(d.Spec.RequiresRepublish, false),
		orNone(strings.Join(modes, ",")), age(d.CreationTimestamp, now),
	}
}
